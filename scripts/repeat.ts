/**
 * What failed in a whole run is tried once more, by itself. Thousands of tests side by side on two
 * processors, some on engines whose own races nobody here can mend: one that fails among them says
 * little, one that fails alone as well is broken. What passes only then is told, never hidden.
 */

import { describeFault, faultsOf, type Results } from './facts.ts';

/** In all: where more fail, something is really broken. */
export const MAX_FILES = 5;

export interface Repeatable {
	/** for what is told */
	readonly name: string;
	readonly results: Results;
	/** Runs these test files and nothing else. */
	again(files: readonly string[]): Promise<Results>;
}

export interface Repeated {
	/** in the order of the runs, each test once */
	readonly results: readonly Results[];
	/** a line for each fault that was none the second time */
	readonly onlyRepeated: readonly string[];
	/** what else became of it */
	readonly reports: readonly string[];
}

/** One run after the other, nothing beside it. */
export async function repeatFailed(runs: readonly Repeatable[], signal: AbortSignal): Promise<Repeated> {
	const filesOf = runs.map(({ results }) => [...new Set(faultsOf(results).flatMap(({ file }) => file ?? []))]);
	const number = filesOf.flat().length;
	if (number > MAX_FILES) return { results: runs.map(({ results }) => results), onlyRepeated: [], reports: [`nothing was repeated: ${number} test files failed, more than ${MAX_FILES}`] };
	const results: Results[] = [];
	const onlyRepeated: string[] = [];
	const reports: string[] = [];
	for (const [index, run] of runs.entries()) {
		const files = filesOf[index]!;
		let settled: Settled = { results: run.results, onlyRepeated: [] };
		try {
			if (files.length > 0 && !signal.aborted) settled = settle(run.results, await run.again(files));
		} catch (error) {
			reports.push(`${run.name}: could not be repeated, ${(error as Error).message}`);
		}
		results.push(settled.results);
		onlyRepeated.push(...settled.onlyRepeated.map((line) => `${run.name} ${line}`));
	}
	return { results, onlyRepeated, reports };
}

interface Settled {
	readonly results: Results;
	readonly onlyRepeated: readonly string[];
}

/** @returns what counts: of files that ran again what became of them then, of all others what was */
export function settle(first: Results, again: Results): Settled {
	const ranAgain = new Set(again.facts.flatMap(({ file }) => file ?? []));
	const failedAgain = new Set(faultsOf(again).flatMap(({ file }) => file ?? []));
	const mended = faultsOf(first).filter(({ file }) => file !== undefined && ranAgain.has(file) && !failedAgain.has(file));
	// A story that failed has left its engine as it was then: no further fault, once the story passes.
	const consequences = mended.length > 0 ? first.leftBehind : [];
	return {
		results: {
			facts: [...first.facts.filter(({ file }) => file === undefined || !ranAgain.has(file)), ...again.facts],
			leftBehind: [...(mended.length > 0 ? [] : first.leftBehind), ...again.leftBehind],
			details: first.details + again.details,
		},
		onlyRepeated: [...mended.map(describeFault), ...consequences],
	};
}
