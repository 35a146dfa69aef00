/** Properties: what holds for every input that fast-check comes up with. */

import type { ExecutionContext } from 'ava';
import fc from 'fast-check';

/** A test takes seconds; a soak sets `BIRTHMARK_PROPERTY_RUNS=20` and tries each property twenty times as often. */
const FACTOR = Number(process.env['BIRTHMARK_PROPERTY_RUNS'] ?? 1);

/**
 * Fails with the smallest input that was found, and with the seed and path that repeat it. The
 * property uses `node:assert`: ava's own assertions would end the test before the input is small.
 */
export function holds<Input>(t: ExecutionContext, times: number, property: fc.IPropertyWithHooks<Input>): void {
	t.notThrows(() => fc.assert(property, { numRuns: Math.ceil(times * FACTOR), includeErrorInReport: true }));
}

/** The same for a property that awaits something. */
export async function holdsAsync<Input>(t: ExecutionContext, times: number, property: fc.IAsyncPropertyWithHooks<Input>): Promise<void> {
	await t.notThrowsAsync(async () => fc.assert(property, { numRuns: Math.ceil(times * FACTOR), includeErrorInReport: true }));
}
