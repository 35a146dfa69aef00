/**
 * `birthmark-agent health`, for the HEALTHCHECK of a container: whether its identity is good, and will be.
 * The engine knows two answers, 0 and 1 (docs.docker.com/reference/dockerfile, HEALTHCHECK).
 */

import type { Clock } from '#common/runtime/clock.ts';
import { EXPIRED, type Identity } from './identity.ts';
import { ALARMING_PART } from './renewal-loop.ts';

export interface Health {
	readonly isHealthy: boolean;
	/** what the engine keeps with each check, one line */
	readonly sentence: string;
}

/** @param published when the identity became visible here */
export function judgeHealth({ leaf }: Pick<Identity, 'leaf'>, published: Date, clock: Clock): Health {
	const remainingMs = leaf.notAfter.getTime() - clock.now().getTime();
	const seconds = Math.floor(remainingMs / 1000);
	if (remainingMs <= 0) return { isHealthy: false, sentence: EXPIRED };
	// Renewal has been due for long.
	if (remainingMs < (leaf.notAfter.getTime() - published.getTime()) * ALARMING_PART) {
		return { isHealthy: false, sentence: `the identity ends in ${seconds} s and could not be renewed: birthmark-agent renew tells why` };
	}
	return { isHealthy: true, sentence: `${leaf.subject}, for another ${seconds} s` };
}
