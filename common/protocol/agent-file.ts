/** `agent.json` on the identity volume: what the plugin tells the agent of this container. Nothing in it is secret. */

export interface AgentFile {
	readonly version: 1;
	/** `relay` (default): the socket on the volume. `network`: the URLs in their order, by label `birthmark.ca=network`. */
	readonly ca: { readonly way: 'relay' } | {
		readonly way: 'network';
		/** the first of {@link urls}, for agents that know only one */
		readonly url: string;
		readonly urls: readonly string[];
	};
	/** PEM, the trust bundle that the plugin uses; good when its digest is the token's. None from a plugin that is older */
	readonly bundle?: string;
	/** none from a plugin that is older than they are */
	readonly settings?: AgentSettings;
}

/** What the labels of a container ask of its agent; absent is the default. */
export interface AgentSettings {
	/** in which formats the identity is written, see `publication.ts` */
	readonly formats?: string;
	/** permission bits of key files */
	readonly keyMode?: string;
	/** `uid:gid` of the files, when the agent runs as somebody else */
	readonly owner?: string;
	/** how the application takes up a new certificate, see `reload.ts` */
	readonly reload?: string;
	/** for which changes, see `reload.ts` */
	readonly reloadOn?: string;
	/** where it serves it, see `reload.ts` */
	readonly port?: string;
}

/**
 * Who runs the agent: `exec`, the container, in front of its application; `none`, whoever starts it there;
 * `node`, the node, for a container in which no foreign code runs.
 */
export const AGENT_MODES = ['exec', 'none', 'node'] as const;
export type AgentMode = (typeof AGENT_MODES)[number];

/** How a container gets its identity: by a volume that it mounts, or by the runtime that starts it. */
export type Delivery = 'volume' | 'runtime';

/** Without a label: whoever mounts a volume starts the agent himself, the runtime puts it in front. */
export function defaultAgentMode(delivery: Delivery): AgentMode {
	return delivery === 'runtime' ? 'exec' : 'none';
}
