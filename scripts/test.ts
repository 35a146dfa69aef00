/**
 * `make test`: the unit tests, the integration stories on private engines that are set up once and
 * removed whatever happens, and a core of them on newer engines; three of these at a time. ENGINE names
 * the engines instead, one or several; then all the stories run on each.
 *
 *     test.ts [--integration [STORY]]
 */

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { abuseReport } from './abuse-report.ts';
import { ava, type Count } from './ava.ts';
import { buildAll, buildForTests } from './build.ts';
import { chosenEngines, installEngine, newerEngines } from './engines.ts';
import { layOutContexts } from './images.ts';
import { inLanes, namedLines } from './lanes.ts';
import { BUILD, PROJECT } from './paths.ts';
import { layOutPlugin } from './plugin.ts';
import { runMain, StepError, Steps } from './steps.ts';
import { SIGNALS } from './test-engine.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { ABUSE_FILE, runTurn } from './turn.ts';
import { whichTurns, type Turn } from './turns.ts';

const logFile = join(BUILD, 'logs/test.log');
const STORIES = join(PROJECT, 'test/integration');

/** Stories wait more than they compute, unit tests compute more than they wait: side by side they fill a machine with two processors. */
const LANES = 3;

/** What these tests ask is asked of the CA, never of its file. */
const ON_POSTGRES = [
	...['authorize', 'join', 'redeem', 'renew', 'renewal-demands', 'user-token'].map((name) => `test/unit/ca/registration/${name}.test.ts`),
	...['lists', 'revocation', 'selectors'].map((name) => `test/unit/ca/revocation/${name}.test.ts`),
	'test/unit/ca/issuance/rotation.test.ts',
	'test/unit/ca/bundle.test.ts',
];

interface Outcome {
	readonly count: Count;
	/** whose stories these are */
	readonly engineVersion?: string;
	/** a line for the end of the run */
	readonly report?: string;
}

type Print = (chunk: string) => void;
type Piece = (print: Print, signal: AbortSignal) => Promise<Outcome>;

async function main(): Promise<void> {
	const [flag, story] = process.argv.slice(2);
	const everything = flag !== '--integration';
	const ending = new AbortController();
	for (const signal of SIGNALS) process.once(signal, () => ending.abort());
	rmSync(ABUSE_FILE, { force: true });
	const steps = new Steps(logFile);
	const rootFileSystem = await buildAll(steps);
	layOutPlugin(rootFileSystem);
	layOutContexts(rootFileSystem);
	await buildForTests(steps);

	const turns = whichTurns({ everything, story, chosen: chosenEngines(), newer: newerEngines, all: () => readdirSync(STORIES).sort() });
	const fetch = oneAtATime((engine: string) => steps.step(`Fetching the engine ${engine}`, () => installEngine(steps, engine)));
	// What takes long begins first, so that nobody waits for it alone at the end.
	const pieces = turns.map((turn): [string, Piece] => [turn.name, (print, signal) => stories(turn, fetch, print, signal)]);
	if (everything) pieces.splice(2, 0, ['unit', unitTests], ['postgres', onPostgres]);
	const outcomes = await inLanes(LANES, pieces.map(([name, piece]) => async (): Promise<Outcome> => {
		if (ending.signal.aborted) return { count: NOTHING };
		const lines = namedLines(name, (line) => process.stdout.write(line));
		try {
			return await piece(pieces.length === 1 ? (chunk) => process.stdout.write(chunk) : lines.write, ending.signal);
		} catch (error) {
			// What the others show is worth knowing all the same.
			return { count: { ...NOTHING, failed: 1 }, report: `${name}: not run, ${(error as Error).message}; ${error instanceof StepError ? error.remedy : `the details are in ${logFile}`}` };
		} finally {
			lines.end();
		}
	}));

	process.stdout.write(abuseReport(ABUSE_FILE));
	process.stdout.write(outcomes.map(({ count }) => count.failures).join(''));
	const onEngines = Map.groupBy(outcomes.filter(({ engineVersion }) => engineVersion !== undefined), ({ engineVersion }) => engineVersion);
	const reports = [
		...[...onEngines].map(([version, those]) => `stories on engine ${version}: ${passedAndFailed(those)}`),
		...outcomes.flatMap(({ report }) => report ?? []),
		...(ending.signal.aborted ? ['ended before its time'] : []),
	];
	process.stdout.write(`\n${reports.join('\n')}\n${passedAndFailed(outcomes)}\n`);
	if (outcomes.some(({ count }) => count.failed > 0) || ending.signal.aborted) process.exitCode = 1;
}

function passedAndFailed(outcomes: readonly Outcome[]): string {
	const sum = (pick: (count: Count) => number): number => outcomes.reduce((total, { count }) => total + pick(count), 0);
	return `${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed`;
}

const NOTHING: Count = { passed: 0, failed: 0, failures: '' };

const unitTests: Piece = async (print, signal) => ({ count: await ava([], print, { yields: true, signal }) });

/** Whole CAs once more, each on a database of one PostgreSQL server: every kind of statement has to pass there too. */
const onPostgres: Piece = async (print, signal) => {
	const server = await startPostgres();
	try {
		return { count: await ava(ON_POSTGRES, print, { yields: true, signal, environment: { BIRTHMARK_TEST_SERVER: await server.newDatabase() } }) };
	} finally {
		await server.remove();
	}
};

async function stories(turn: Turn, fetch: (engine: string) => Promise<void>, print: Print, signal: AbortSignal): Promise<Outcome> {
	try {
		if (turn.engine !== '') await fetch(turn.engine);
	} catch (error) {
		if (!turn.optional || !(error instanceof StepError)) throw error;
		return { count: NOTHING, report: `${turn.name}: not run, ${error.message}; ${error.remedy}` };
	}
	const { count, engineVersion } = await runTurn(turn, print, signal);
	return { count, engineVersion };
}

/** For what does not bear company: apt lets nobody else at its lists. */
function oneAtATime<A>(work: (argument: A) => Promise<void>): (argument: A) => Promise<void> {
	let last = Promise.resolve();
	return (argument) => {
		const mine = last.then(() => work(argument));
		last = mine.catch(() => {});
		return mine;
	};
}

runMain(main, () => logFile);
