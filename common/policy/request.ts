/**
 * What a policy is asked: may this caller do this to that? The plugin asks for every call that it
 * judges, `birthmark policy test` asks the same off line.
 */

/** What an action is done to: the entity types of the schema (schema.ts). */
export type ResourceType = 'Container' | 'Plugin' | 'Engine';

/** Every action, what it is done to, and how a sentence names it: "caller X to …". */
export const ACTIONS = {
	'run': { resource: 'Container', phrase: 'run' },
	'exec': { resource: 'Container', phrase: 'execute commands in' },
	'attach': { resource: 'Container', phrase: 'attach to' },
	'copy': { resource: 'Container', phrase: 'copy files into or out of' },
	'export': { resource: 'Container', phrase: 'export the files of' },
	'commit': { resource: 'Container', phrase: 'make an image of' },
	'checkpoint': { resource: 'Container', phrase: 'write the memory to disk of' },
	'join': { resource: 'Container', phrase: 'join a namespace of' },
	'mount': { resource: 'Container', phrase: 'mount the volumes of' },
	'connect': { resource: 'Container', phrase: 'connect to another network' },
	'reach-host': { resource: 'Container', phrase: 'give power over the host to' },
	'plugin-control': { resource: 'Plugin', phrase: 'control the plugin' },
	'plugin-install': { resource: 'Plugin', phrase: 'install the plugin' },
	'build': { resource: 'Engine', phrase: 'build images' },
	'swarm': { resource: 'Engine', phrase: 'make this engine part of a swarm' },
} as const satisfies Record<string, { resource: ResourceType; phrase: string }>;

export type PolicyAction = keyof typeof ACTIONS;

/** The caller who comes without a client certificate: over the engine's unix socket. */
export const LOCAL_CALLER = 'local';

export interface ImageFacts {
	/** as the caller wrote it */
	readonly reference: string;
	/** in its short form and without tag: `web`, `ghcr.io/acme/web`; empty for an id */
	readonly repository: string;
	/** `latest` when none is written; empty when a digest is */
	readonly tag: string;
	/** `sha256:…` of the configuration: what the engine will run */
	readonly id: string;
	/** `sha256:…` of the manifests under which registries know it */
	readonly digests: readonly string[];
}

/** A container, or the tasks of a service; empty where something is not known. */
export interface ContainerFacts {
	readonly commonName: string;
	readonly organizationalUnit: string;
	readonly organization: string;
	readonly dnsNames: readonly string[];
	/** without a leading slash */
	readonly name: string;
	readonly id: string;
	readonly image: ImageFacts;
	/** without its group; `root` for 0 and for none */
	readonly user: string;
	/** mode or name; `default` for none */
	readonly network: string;
	/** that and all others that it is created with */
	readonly networks: readonly string[];
	/** paths on the host */
	readonly binds: readonly string[];
	/** names, the one with the identity not among them */
	readonly volumes: readonly string[];
	/** that are added, in upper case without `CAP_` */
	readonly capabilities: readonly string[];
	/** what it could reach other containers or the host by */
	readonly powers: readonly string[];
	/** name of the swarm service */
	readonly service: string;
}

export interface PluginFacts {
	/** as the caller wrote it */
	readonly reference: string;
	/** as the engine prints it; empty when it is not installed */
	readonly name: string;
	readonly id: string;
	/** is it this plugin itself? */
	readonly own: boolean;
}

export interface PolicyRequest {
	/** {@link LOCAL_CALLER}, or the common name of the TLS client's certificate */
	readonly caller: string;
	readonly action: PolicyAction;
	readonly container?: ContainerFacts;
	readonly plugin?: PluginFacts;
}

export interface PolicyDecision {
	readonly allowed: boolean;
	/** ids of the rules that decided; empty: no rule permits it */
	readonly rules: readonly string[];
	/** of the first of them, from its annotations */
	readonly reason?: string;
	readonly remedy?: string;
}

export const NO_IMAGE: ImageFacts = { reference: '', repository: '', tag: '', id: '', digests: [] };

/** A container of which nothing is known. */
export const NO_FACTS: ContainerFacts = {
	commonName: '', organizationalUnit: '', organization: '', dnsNames: [], name: '', id: '', image: NO_IMAGE,
	user: 'root', network: 'default', networks: ['default'], binds: [], volumes: [], capabilities: [], powers: [], service: '',
};

export function isPolicyAction(text: string): text is PolicyAction {
	return Object.hasOwn(ACTIONS, text);
}
