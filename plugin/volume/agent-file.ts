/** `agent.json`: what the plugin tells the agent of a container. */

import type { AgentFile } from '#common/protocol/agent-file.ts';
import type { IdentityRecord } from '../records.ts';

/** With enough room below what the agent bears, so that no clock is right for one of the two and wrong for the other. */
const MAX_CLOCK_SKEW_SECONDS = 30;

export interface Offer {
	/** PEM, in use by the plugin */
	readonly bundle: string | undefined;
	/** of the host's clock, which is the container's too, from the CA's; undefined when nobody knows */
	readonly skewSeconds: number | undefined;
	readonly caUrls: readonly string[];
}

/** Without the bundle the agent asks the CA for it, and so sees a wrong clock before it has spent its token. */
export function agentFileOf({ caWay, settings }: Pick<IdentityRecord, 'caWay' | 'settings'>, { bundle, skewSeconds = Infinity, caUrls }: Offer): AgentFile {
	return {
		version: 1,
		ca: caWay === 'relay' ? { way: 'relay' } : { way: 'network', url: caUrls[0] ?? '', urls: caUrls },
		...(bundle !== undefined && Math.abs(skewSeconds) <= MAX_CLOCK_SKEW_SECONDS && { bundle }),
		settings,
	};
}
