/** The catalogue of abuses as a table: what the integration tests of one run found. */

import { existsSync, readFileSync } from 'node:fs';

/** One test, as one line of JSON in the file that the tests append to. */
export interface AbuseOutcome {
	/** in docs/threat-model.md */
	readonly number: number;
	readonly title: string;
	/** the engine's version */
	readonly engine: string;
	readonly verdict: string;
}

const HEAD = { number: '#', title: 'abuse', engine: 'engine', verdict: 'verdict' };

/** @returns a table with one row for each test, or nothing when no abuse was tried */
export function abuseReport(file: string): string {
	const outcomes = readOutcomes(file).sort((a, b) => a.number - b.number || a.engine.localeCompare(b.engine, 'en', { numeric: true }));
	if (outcomes.length === 0) return '';
	const rows = [HEAD, ...outcomes.map((outcome) => ({ ...outcome, number: String(outcome.number) }))];
	const width = (pick: (row: typeof HEAD) => string): number => Math.max(...rows.map((row) => pick(row).length));
	const widths = { number: width(({ number }) => number), title: width(({ title }) => title), engine: width(({ engine }) => engine) };
	const lines = rows.map(({ number, title, engine, verdict }) => `${number.padStart(widths.number)}  ${title.padEnd(widths.title)}  ${engine.padEnd(widths.engine)}  ${verdict}`);
	return `\nAbuses of the engine's API\n\n${lines.join('\n')}\n`;
}

function readOutcomes(file: string): AbuseOutcome[] {
	if (!existsSync(file)) return [];
	const outcomes = readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as AbuseOutcome);
	// Of a test that was repeated the last one counts.
	return [...new Map(outcomes.map((outcome) => [JSON.stringify([outcome.number, outcome.title, outcome.engine]), outcome])).values()];
}
