/** What a person reads: tables, colours on a terminal only, spans of time. */

import { printable } from '#common/protocol/names.ts';

export interface Output {
	/** one line to standard output */
	line(text: string): void;
	json(value: unknown): void;
	/** what is going on, on a terminal only: the next text takes its place, an empty one removes it */
	progress(text: string): void;
	paint(colour: Colour, text: string): string;
}

const COLOURS = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof COLOURS;

/** Colours only when the stream is a terminal and NO_COLOR (no-color.org) is not set. */
export function createOutput(stream: NodeJS.WriteStream = process.stdout, environment: NodeJS.ProcessEnv = process.env, aside: NodeJS.WriteStream = process.stderr): Output {
	const coloured = stream.isTTY === true && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb';
	return {
		line: (text) => void stream.write(text + '\n'),
		json: (value) => void stream.write(JSON.stringify(value, undefined, 2) + '\n'),
		progress: (text) => void (aside.isTTY === true && aside.write(`\r\u001b[K${text}`)),
		paint: (colour, text) => (coloured ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text),
	};
}

/**
 * Columns as wide as their widest cell, two spaces between; no trailing blanks. Cells hold what nodes
 * and containers called themselves: nothing in them steers the terminal.
 */
export function formatTable(header: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
	const all = [header, ...rows].map((row) => row.map(printable));
	const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
	return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n');
}

/** `3d 4h`, `23h 59m`, `12m 3s`, `9s`; a span in the past as `-`. */
export function formatSpan(milliseconds: number): string {
	if (milliseconds <= 0) return '-';
	const seconds = Math.floor(milliseconds / 1000);
	const parts: Array<[number, string]> = [[Math.floor(seconds / 86400), 'd'], [Math.floor(seconds / 3600) % 24, 'h'], [Math.floor(seconds / 60) % 60, 'm'], [seconds % 60, 's']];
	const first = parts.findIndex(([value]) => value > 0);
	return first < 0 ? '0s' : parts.slice(first, first + 2).map(([value, unit]) => value + unit).join(' ');
}
