/** Bytes that were right once: what a fuzzer makes of a valid input. */

import fc from 'fast-check';

/** One change: a byte set, a bit turned, a stretch cut out, put in, or doubled. Positions are fractions of the length. */
type Change =
	| { readonly kind: 'set' | 'flip'; readonly at: number; readonly value: number }
	| { readonly kind: 'cut' | 'double'; readonly at: number; readonly count: number }
	| { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array };

const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const change: fc.Arbitrary<Change> = fc.oneof(
	fc.record({ kind: fc.constantFrom('set' as const, 'flip' as const), at, value: fc.integer({ min: 0, max: 255 }) }),
	fc.record({ kind: fc.constantFrom('cut' as const, 'double' as const), at, count: fc.integer({ min: 1, max: 40 }) }),
	fc.record({ kind: fc.constant('insert' as const), at, bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }) }),
);

/** The original after one to four changes; it may come out as it was. */
export function mutated(original: Uint8Array): fc.Arbitrary<Buffer> {
	return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => changes.reduce(apply, Buffer.from(original)));
}

function apply(bytes: Buffer, change: Change): Buffer {
	const at = Math.floor(change.at * bytes.length);
	if ('value' in change) {
		const result = Buffer.from(bytes);
		if (at < result.length) result[at] = change.kind === 'set' ? change.value : result[at]! ^ (1 << (change.value % 8));
		return result;
	}
	if ('bytes' in change) return Buffer.concat([bytes.subarray(0, at), change.bytes, bytes.subarray(at)]);
	const stretch = bytes.subarray(at, at + change.count);
	return Buffer.concat([bytes.subarray(0, at), ...(change.kind === 'double' ? [stretch, stretch] : []), bytes.subarray(at + change.count)]);
}
