/** The end of a run, which is what people read first, and often all that they are shown. */

import { describeFault, failedIn, faultsOf, passedIn, type Results } from './facts.ts';

/** With the reports above them all of it fits on twenty lines. */
const MAX_FAILED = 10;
const MAX_REPEATED = 6;
/** An engine's last words have no end. */
const MAX_LINE = 500;

export interface Ending {
	/** what became of each piece, by its name */
	readonly results: ReadonlyArray<readonly [name: string, Results]>;
	readonly reports: readonly string[];
	/** what passed only when it was repeated (repeat.ts) */
	readonly onlyRepeated: readonly string[];
}

/** @returns reports, faults, what passed only when repeated, and last of all how many passed and failed */
export function lastLines({ results, reports, onlyRepeated }: Ending): string {
	const failed = results.flatMap(([name, those]) => [...faultsOf(those).map(describeFault), ...those.leftBehind].map((line) => `failed: ${name} ${line}`));
	const repeated = onlyRepeated.map((line) => `passed only when repeated: ${line}`);
	return `\n${[...reports, ...atMost(MAX_FAILED, failed), ...atMost(MAX_REPEATED, repeated), passedAndFailed(results.map(([, those]) => those))].join('\n')}\n`;
}

export function passedAndFailed(results: readonly Results[]): string {
	const sum = (count: (those: Results) => number): number => results.reduce((total, those) => total + count(those), 0);
	return `${sum(passedIn)} passed, ${sum(failedIn)} failed`;
}

function atMost(number: number, lines: readonly string[]): readonly string[] {
	const shown = lines.slice(0, number).map((line) => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)} …` : line));
	return lines.length <= number ? shown : [...shown, `… and ${lines.length - number} more, above`];
}
