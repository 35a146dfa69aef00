/** A finding as lines for people. */

import type { Finding } from './diagnosis.ts';
import type { Output } from './output.ts';

const MARKS = { ok: ['green', 'ok  '], warning: ['yellow', 'warn'], fault: ['red', 'FAIL'] } as const;

export function printFinding(output: Output, { verdict, check, detail, remedy }: Finding): void {
	const [colour, mark] = MARKS[verdict];
	output.line(`${output.paint(colour, mark)}  ${check.padEnd(17)} ${detail}`);
	if (remedy) output.line(`      ${''.padEnd(17)} → ${remedy}`);
}
