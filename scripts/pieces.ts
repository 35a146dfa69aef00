/** The parts of `make test`: each runs some of the tests, all of its own or only some files of them. */

import { ava } from './ava.ts';
import { NOTHING, type Results } from './facts.ts';
import { installEngine } from './engines.ts';
import { StepError, type Steps } from './steps.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { runTurn } from './turn.ts';
import type { Turn } from './turns.ts';

/** What these tests ask is asked of the CA, never of its file. */
const ON_POSTGRES = [
	...['authorize', 'join', 'redeem', 'renew', 'renewal-demands', 'user-token'].map((name) => `test/unit/ca/registration/${name}.test.ts`),
	...['lists', 'revocation', 'selectors'].map((name) => `test/unit/ca/revocation/${name}.test.ts`),
	'test/unit/ca/issuance/rotation.test.ts',
	'test/unit/ca/bundle.test.ts',
];

export interface Outcome {
	readonly results: Results;
	/** whose stories these are */
	readonly engineVersion?: string;
	/** a line for the end of the run */
	readonly report?: string;
}

type Print = (chunk: string) => void;

/** @param files only these, one at a time and without yielding to others */
export type Piece = (print: Print, signal: AbortSignal, files?: readonly string[]) => Promise<Outcome>;

export const unitTests: Piece = async (print, signal, files) => ({ results: await unitTestsIn(files ?? [], print, { signal, alone: files !== undefined }) });

/** Whole CAs once more, each on a database of one PostgreSQL server: every kind of statement has to pass there too. */
export const onPostgres: Piece = async (print, signal, files) => {
	const server = await startPostgres();
	try {
		const environment = { BIRTHMARK_TEST_SERVER: await server.newDatabase() };
		return { results: await unitTestsIn(files ?? ON_POSTGRES, print, { signal, alone: files !== undefined, environment }) };
	} finally {
		await server.remove();
	}
};

function unitTestsIn(files: readonly string[], print: Print, { signal, alone, environment = {} }: { signal: AbortSignal; alone: boolean; environment?: Record<string, string> }): Promise<Results> {
	return ava(['--config', 'test/unit.config.js', ...(alone ? ['--concurrency', '1'] : []), ...files], print, { yields: !alone, signal, environment });
}

/** @returns the stories of a turn, each time on a new engine */
export function storiesOf(turn: Turn, steps: Steps): Piece {
	return async (print, signal, files) => {
		try {
			if (turn.engine !== '') await fetch(steps, turn.engine);
		} catch (error) {
			if (!turn.optional || !(error instanceof StepError)) throw error;
			return { results: NOTHING, report: `${turn.name}: not run, ${error.message}; ${error.remedy}` };
		}
		return runTurn(files === undefined ? turn : { ...turn, name: `${turn.name}-again`, files }, print, signal);
	};
}

const fetch = oneAtATime((steps: Steps, engine: string) => steps.step(`Fetching the engine ${engine}`, () => installEngine(steps, engine)));

/** For what does not bear company: apt lets nobody else at its lists. */
function oneAtATime<A extends readonly unknown[]>(work: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
	let last = Promise.resolve();
	return (...args) => {
		const mine = last.then(() => work(...args));
		last = mine.catch(() => {});
		return mine;
	};
}
