/** The token of a start, for which it waits while the CA is away. */

import { setTimeout as sleep } from 'node:timers/promises';
import { allOver } from '#common/runtime/all-over.ts';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { MintedToken, MintRequest } from '#common/protocol/messages.ts';
import type { IdentityRecord, Records } from '../records.ts';
import { createEarlyTokens, type EarlyTokens, type NewStart } from './early-tokens.ts';

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 2_000;
/** How many starts may wait for a CA that is away; more fail at once. */
export const MAX_WAITING = 200;

export interface StartTokensDeps {
	readonly records: Pick<Records, 'identity' | 'renameContainer'>;
	readonly ca: {
		mintToken(authorizationId: string, request: MintRequest): Promise<MintedToken>;
		/** how far our clock is ahead of the CA's */
		clockSkewSeconds(): number | undefined;
	};
	readonly revocationList: () => Promise<string>;
	/** @throws BirthmarkError while the engine does not ask before it acts */
	readonly prove: () => Promise<unknown>;
	/** how long a start waits for the CA */
	readonly startGraceMs: number;
	/** 128 random bits or more */
	readonly newStartId: () => string;
	/** milliseconds that only grow */
	readonly now?: () => number;
}

export interface StartTokens extends EarlyTokens {
	/**
	 * Waits for a CA that is away until the grace is over, `withinMs` at most; then its revocation list is known as well.
	 *
	 * @param preparing goes on meanwhile; it is over when this resolves or rejects, and when it fails nobody waits for the CA any longer
	 * @throws BirthmarkError
	 */
	ask(identity: IdentityRecord, start: NewStart, withinMs: number, preparing?: Promise<void>): Promise<string>;
	/** How many starts wait for a CA that is away. */
	waitingCount(): number;
}

export function createStartTokens({ records, ca, revocationList, prove, startGraceMs, newStartId, now = () => performance.now() }: StartTokensDeps): StartTokens {
	const waiting = new Set<string>();

	async function mint({ volume, authorizationId, containerId, containerName }: IdentityRecord, startId: string): Promise<MintedToken> {
		await revocationList();
		// It may have been renamed since the CA was told.
		const isRenamed = records.identity(volume)?.containerName !== containerName;
		const minted = await ca.mintToken(authorizationId, { startId, ...(isRenamed && { containerName }) });
		if (isRenamed) records.renameContainer(containerId, containerName);
		return minted;
	}

	async function ask(identity: IdentityRecord, { startId, token }: NewStart, withinMs: number, signal: AbortSignal): Promise<string> {
		const deadline = performance.now() + Math.min(startGraceMs, withinMs);
		const early = await token;
		if (early !== undefined) return early;
		if (waiting.size >= MAX_WAITING) throw new BirthmarkError('ca-unavailable', `${MAX_WAITING} starts of containers wait for the CA already; start this one when the CA is back`);
		try {
			for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(delayMs * 2, LAST_RETRY_MS)) {
				try {
					return (await mint(identity, startId)).token;
				} catch (error) {
					const mayPass = ['ca-unavailable', 'node-not-joined'].includes(errorCode(error));
					if (!mayPass || performance.now() + delayMs > deadline) throw error;
				}
				waiting.add(startId);
				await sleep(delayMs, undefined, { signal });
				// The proof that the start began with is old now.
				await prove();
			}
		} finally {
			waiting.delete(startId);
		}
	}

	return {
		...createEarlyTokens({ mint, newStartId, now, clock: () => Date.now() - (ca.clockSkewSeconds() ?? 0) * 1000 }),
		async ask(identity, start, withinMs, preparing) {
			const abort = new AbortController();
			const prepared = preparing?.catch((error: unknown) => {
				abort.abort();
				throw error;
			});
			const asked = ask(identity, start, withinMs, abort.signal);
			// What failed first is why the other one was given up.
			await allOver([prepared, asked]);
			return asked;
		},
		waitingCount: () => waiting.size,
	};
}
