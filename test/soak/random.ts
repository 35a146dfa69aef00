/** Random numbers that a seed repeats; the order in which a loaded CA answers no seed repeats. */

import { randomInt } from 'node:crypto';

/** `BIRTHMARK_SOAK_SEED` takes the place of a fresh one. */
export function seededRandom(seed = Number(process.env['BIRTHMARK_SOAK_SEED'] ?? randomInt(2 ** 31))): { readonly seed: number; random(): number } {
	let state = seed;
	return {
		seed,
		// Mulberry32: small, fast, good enough for choosing.
		random() {
			state = (state + 0x6d2b79f5) | 0;
			let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
			mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
			return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
		},
	};
}
