/**
 * Part of ava's configuration (test/unit.config.js, test/integration.config.js): what ava knows of each
 * test is written down as it becomes known, so that its file is known too and nobody has to guess at
 * what is printed for people. The events are those of AVA's `nonSemVerExperiments.observeRunsFromConfig`
 * (avajs/ava#3247); they may change with AVA's version, which package.json names exactly. Where none
 * came, whoever started ava still has its exit code (ava.ts).
 */

import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fact } from './facts.ts';
import { PROJECT } from './paths.ts';

/** Names the file that gets the facts, a line of JSON each. */
export const FACTS = 'BIRTHMARK_TEST_FACTS';

const MAX_ERROR = 240;

/** Of the fields of ava's events those that are looked at. */
export interface RunEvent {
	readonly type: string;
	readonly testFile?: string;
	readonly title?: string;
	readonly err?: RunError;
	readonly nonZeroExitCode?: number;
	readonly signal?: string;
	readonly forcedExit?: boolean;
	readonly period?: number;
	/** titles by file */
	readonly pendingTests?: ReadonlyMap<string, ReadonlySet<string>>;
	readonly stats?: { readonly byFile: ReadonlyMap<string, { readonly remainingTests: number }> };
}

interface RunError {
	readonly message?: string;
	readonly formattedError?: string;
	readonly formattedDetails?: ReadonlyArray<{ readonly label: string; readonly formatted: string }>;
	readonly source?: { readonly file: string; readonly line: number } | null;
}

/** Nothing, unless somebody wants to know. */
export const observed = process.env[FACTS] === undefined ? {} : {
	nonSemVerExperiments: { observeRunsFromConfig: true },
	async observeRun({ events }: { events: AsyncIterable<RunEvent> }): Promise<void> {
		const factsOf = factReader();
		for await (const event of events) {
			for (const fact of factsOf(event)) appendFileSync(process.env[FACTS]!, JSON.stringify(fact) + '\n');
		}
	},
};

/** @returns what an event says; what follows from a fault of its file (a process that ends, tests that are not reached) is no further one */
export function factReader(): (event: RunEvent) => Fact[] {
	const faulty = new Set<string>();
	let remaining: NonNullable<RunEvent['stats']>['byFile'] = new Map();
	const fault = (testFile: string | undefined, title: string, error: string): Fact[] => {
		if (testFile !== undefined) faulty.add(testFile);
		return [{ ...(testFile === undefined ? {} : { file: path(testFile) }), title, error }];
	};
	const firstFault = (testFile: string | undefined, title: string, error: string): Fact[] => (testFile !== undefined && faulty.has(testFile) ? [] : fault(testFile, title, error));
	return ({ type, testFile, title = type, ...event }) => {
		switch (type) {
			case 'stats':
				remaining = event.stats!.byFile;
				return [];
			case 'test-passed':
				return [{ file: path(testFile!), title }];
			case 'test-failed':
			case 'hook-failed':
			case 'uncaught-exception':
			case 'unhandled-rejection':
			case 'internal-error':
			case 'shared-worker-error':
				return fault(testFile, title, oneLine(event.err));
			case 'timeout':
				// Tests that are not begun are pending too.
				return [...event.pendingTests!].flatMap(([file, [first]]) => firstFault(file, first ?? 'its end', `no test ended within ${event.period! / 1000} s`));
			case 'process-exit':
				return firstFault(testFile, title, 'the test ends its own process');
			case 'worker-failed':
				return firstFault(testFile, 'its process', event.err !== undefined ? oneLine(event.err) : `ended with ${event.signal ?? event.nonZeroExitCode}`);
			case 'worker-finished': {
				const { remainingTests = 0 } = remaining.get(testFile!) ?? {};
				return event.forcedExit || remainingTests === 0 ? [] : firstFault(testFile, 'its end', `${remainingTests} tests were not run`);
			}
			default:
				return [];
		}
	};
}

function path(testFile: string): string {
	return relative(PROJECT, testFile.startsWith('file:') ? fileURLToPath(testFile) : testFile);
}

/** Message, first difference, place. */
function oneLine({ message = '', formattedError = '', formattedDetails = [], source }: RunError = {}): string {
	const details = formattedDetails.map(({ label, formatted }) => `${label} ${formatted}`).join(' ');
	const text = (details.startsWith(message) ? details : [message, details].join(' ')) || formattedError;
	const line = text.replace(/\s+/g, ' ').trim();
	const place = source ? ` (${path(source.file)}:${source.line})` : '';
	return (line.length > MAX_ERROR ? line.slice(0, MAX_ERROR) + ' …' : line) + place;
}
