/**
 * The token of a start that the engine has just asked about: the CA makes it while the engine prepares the
 * container. Nothing depends on it. Where there is none, or none that will do, the start asks for one itself.
 */

import type { MintedToken } from '#common/protocol/messages.ts';
import type { IdentityRecord } from '../records.ts';

/** From the engine's question to the start itself; an engine under load needs seconds. */
const EARLY_MS = 5_000;
/** By our clock, which need not be the CA's: a token that ends soon is not given to anybody. */
const LEFT_MS = 30_000;
/** Starts under way. */
const MAX_EARLY = 200;

export interface EarlyTokensDeps {
	readonly mint: (identity: IdentityRecord, startId: string) => Promise<MintedToken>;
	/** 128 random bits or more */
	readonly newStartId: () => string;
	/** milliseconds that only grow */
	readonly now: () => number;
	/** milliseconds since 1970 */
	readonly clock?: () => number;
}

/** A start, with the token that was asked for early, if any. */
export interface NewStart {
	readonly startId: string;
	/** rejects when the CA did not make one, or one that ends soon */
	readonly token?: Promise<string>;
}

export interface EarlyTokens {
	/** A container that does not run is about to start. The CA is asked once for all who start it now: the next token would end the one before. */
	expect(identity: IdentityRecord): void;
	/** Its start. What was asked for early for it is given once, and only under the name that the CA was told. */
	take(identity: IdentityRecord): NewStart;
}

export function createEarlyTokens({ mint, newStartId, now, clock = Date.now }: EarlyTokensDeps): EarlyTokens {
	const early = new Map<string, Required<NewStart> & { readonly containerName: string; readonly askedAt: number }>();
	const isFresh = (askedAt: number): boolean => now() - askedAt < EARLY_MS;

	async function lasting(identity: IdentityRecord, startId: string): Promise<string> {
		const { token, expiresAt } = await mint(identity, startId);
		if (Date.parse(expiresAt) - clock() < LEFT_MS) throw new Error('the token ends soon');
		return token;
	}

	return {
		expect(identity) {
			const { containerId, containerName } = identity;
			if (isFresh(early.get(containerId)?.askedAt ?? -Infinity)) return;
			const startId = newStartId();
			const token = lasting(identity, startId);
			token.catch(() => undefined); // whoever takes it is told
			early.delete(containerId);
			early.set(containerId, { startId, token, containerName, askedAt: now() });
			if (early.size > MAX_EARLY) early.delete(early.keys().next().value!);
		},
		take({ containerId, containerName }) {
			const expected = early.get(containerId);
			early.delete(containerId);
			if (!expected || expected.containerName !== containerName || !isFresh(expected.askedAt)) return { startId: newStartId() };
			const { startId, token } = expected;
			return { startId, token };
		},
	};
}
