/** What is known of a run of tests: each that passed, and each fault. */

export interface Fact {
	/** from the project's root; absent when it belongs to none */
	readonly file?: string;
	/** the test's, or what else it is that failed */
	readonly title: string;
	/** one line; absent when the test passed */
	readonly error?: string;
}

export interface Fault extends Fact {
	readonly error: string;
}

export interface Results {
	readonly facts: readonly Fact[];
	/** what stories are told that those before them left behind (test/support/whole-engine.ts), whether or not they failed */
	readonly leftBehind: readonly string[];
	/** what is known about the faults, of many lines */
	readonly details: string;
}

export const NOTHING: Results = { facts: [], leftBehind: [], details: '' };

export const isFault = (fact: Fact): fact is Fault => fact.error !== undefined;

export const faultsOf = ({ facts }: Results): Fault[] => facts.filter(isFault);

export const passedIn = ({ facts }: Results): number => facts.filter((fact) => !isFault(fact)).length;

export const failedIn = (results: Results): number => faultsOf(results).length + results.leftBehind.length;

/** @returns one line */
export function describeFault({ file, title, error }: Fault): string {
	return `${file === undefined ? '' : `${file} › `}${title}: ${error}`;
}
