/**
 * The token of a start that the engine has just asked about: the CA makes it while the engine prepares the
 * container. Nothing depends on it. Where there is none, or none that will do, the start asks for one itself,
 * but not before this one is settled: each token that the CA makes ends those that it made for the container before.
 */

import type { MintedToken } from '#common/protocol/messages.ts';
import type { IdentityRecord } from '../records.ts';

/** From the engine's question to the start itself, at most: one that starts a hundred containers at once comes to the last of them late. */
const EARLY_MS = 30_000;
/** Of a token's life, which may be short (`tokenTtlSeconds`); the rest is the agent's. */
const YOUNG = 1 / 4;
/** Starts under way. */
const MAX_EARLY = 200;

export interface EarlyTokensDeps {
	readonly mint: (identity: IdentityRecord, startId: string) => Promise<MintedToken>;
	/** 128 random bits or more */
	readonly newStartId: () => string;
	/** milliseconds that only grow */
	readonly now: () => number;
	/** the CA's, milliseconds since 1970 */
	readonly clock: () => number;
}

/** A start, with the token that was asked for early. */
export interface NewStart {
	readonly startId: string;
	/** undefined when there is none that will do; until then one may still be made. Never rejects. */
	readonly token: Promise<string | undefined>;
}

export interface EarlyTokens {
	/** A container that does not run is about to start. The CA is asked once for all who start it now: the next token would end the one before. */
	expect(identity: IdentityRecord): void;
	/** Its start. What was asked for early for it is given once, and only under the name that the CA was told. */
	take(identity: IdentityRecord): NewStart;
}

interface Expected extends NewStart {
	readonly containerName: string;
	/** by `now` */
	goodUntil: number;
}

export function createEarlyTokens({ mint, newStartId, now, clock }: EarlyTokensDeps): EarlyTokens {
	const early = new Map<string, Expected>();
	const isGood = ({ goodUntil }: Expected): boolean => now() < goodUntil;

	function ask(identity: IdentityRecord): Expected {
		const startId = newStartId();
		const minted = mint(identity, startId).then(
			({ token, expiresAt }) => {
				expected.goodUntil = Math.min(expected.goodUntil, now() + (Date.parse(expiresAt) - clock()) * YOUNG);
				return token;
			},
			() => {
				// Whoever comes next may have more luck.
				expected.goodUntil = -Infinity;
				return undefined;
			},
		);
		const expected: Expected = { startId, token: minted, containerName: identity.containerName, goodUntil: now() + EARLY_MS };
		return expected;
	}

	return {
		expect(identity) {
			for (const [containerId, expected] of early) if (!isGood(expected)) early.delete(containerId);
			// The first of many need theirs first.
			if (!early.has(identity.containerId) && early.size < MAX_EARLY) early.set(identity.containerId, ask(identity));
		},
		take({ containerId, containerName }) {
			const expected = early.get(containerId);
			early.delete(containerId);
			if (!expected) return { startId: newStartId(), token: Promise.resolve(undefined) };
			const willDo = (): boolean => isGood(expected) && expected.containerName === containerName;
			return { startId: expected.startId, token: expected.token.then((token) => (willDo() ? token : undefined)) };
		},
	};
}
