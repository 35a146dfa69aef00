/**
 * How the plugin knows its own calls to the engine again. On a unix socket every caller is
 * anonymous, and a call of ours that waited for our own decision could wait for itself.
 */

import { randomBytes, timingSafeEqual } from 'node:crypto';

/** Not `Authorization` and not `X-Registry-*`: those the engine hides from plugins. */
const KEY_HEADER = 'X-Birthmark-Key';
const PROOF_HEADER = 'X-Birthmark-Proof';

export type OwnCalls = ReturnType<typeof createOwnCalls>;

/** A secret of this process, never stored. */
export function createOwnCalls(random: (bytes: number) => Buffer = randomBytes) {
	const key = random(32);
	return {
		headers: { [KEY_HEADER]: key.toString('hex') } as Readonly<Record<string, string>>,
		proofHeaders: (nonce: string): Record<string, string> => ({ [PROOF_HEADER]: nonce }),
		isOwn(headers: Readonly<Record<string, string>>): boolean {
			const given = headers[KEY_HEADER];
			if (given === undefined) return false;
			const bytes = Buffer.from(given, 'hex');
			return bytes.length === key.length && timingSafeEqual(bytes, key);
		},
		/** the nonce of a proof call (enforcement.ts); ask only when `isOwn` */
		proofOf: (headers: Readonly<Record<string, string>>): string | undefined => headers[PROOF_HEADER],
	};
}
