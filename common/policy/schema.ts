/**
 * The vocabulary of policies as a Cedar schema (docs.cedarpolicy.com/schema), and a request in it.
 * Every attribute is always there, so that no rule can fail, and be passed over, for want of one.
 */

import { ACTIONS, NO_FACTS, type ContainerFacts, type PluginFacts, type PolicyAction, type PolicyRequest } from './request.ts';

const ENTITIES = `
entity Caller = { name: String };
entity Container = {
	cn: String, ou: String, o: String, dns: Set<String>,
	name: String, id: String, service: String,
	image: { reference: String, repository: String, tag: String, id: String, digests: Set<String> },
	user: String, network: String, networks: Set<String>, binds: Set<String>, volumes: Set<String>, capabilities: Set<String>, powers: Set<String>,
};
entity Plugin = { reference: String, name: String, id: String, own: Bool };
entity Engine;
`;

/** Cedar schema text. */
export const SCHEMA = ENTITIES + Object.entries(ACTIONS).map(([action, { resource }]) => `action "${action}" appliesTo { principal: [Caller], resource: [${resource}], context: {} };\n`).join('');

type Attributes = Readonly<Record<string, string | boolean | readonly string[] | Readonly<Record<string, string | readonly string[]>>>>;

export interface CedarRequest {
	readonly principal: EntityUid;
	readonly action: EntityUid;
	readonly resource: EntityUid;
	readonly entities: readonly { readonly uid: EntityUid; readonly attrs: Attributes; readonly parents: readonly never[] }[];
}

interface EntityUid {
	readonly type: string;
	readonly id: string;
}

/** The request as Cedar takes it. */
export function toCedar({ caller, action, container, plugin }: PolicyRequest): CedarRequest {
	const principal = { type: 'Caller', id: caller };
	const resource = { type: ACTIONS[action].resource, id: resourceId(action, container, plugin) };
	const attrs = { Container: containerAttributes(container ?? NO_FACTS), Plugin: pluginAttributes(plugin), Engine: {} }[resource.type];
	return {
		principal,
		action: { type: 'Action', id: action },
		resource,
		entities: [
			{ uid: principal, attrs: { name: caller }, parents: [] },
			{ uid: resource, attrs, parents: [] },
		],
	};
}

function resourceId(action: PolicyAction, container: ContainerFacts | undefined, plugin: PluginFacts | undefined): string {
	switch (ACTIONS[action].resource) {
		case 'Container':
			return container?.commonName || container?.name || '';
		case 'Plugin':
			return plugin?.name || plugin?.reference || '';
		case 'Engine':
			return 'engine';
	}
}

function containerAttributes(facts: ContainerFacts): Attributes {
	const { commonName: cn, organizationalUnit: ou, organization: o, dnsNames: dns, image, ...rest } = facts;
	const { reference, repository, tag, id, digests } = image;
	return { cn, ou, o, dns, ...rest, image: { reference, repository, tag, id, digests } };
}

function pluginAttributes(plugin: PluginFacts | undefined): Attributes {
	return { reference: plugin?.reference ?? '', name: plugin?.name ?? '', id: plugin?.id ?? '', own: plugin?.own ?? false };
}
