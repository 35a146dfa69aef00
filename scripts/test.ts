/**
 * `make test`: the unit tests, the integration stories on private engines that are set up once and
 * removed whatever happens, and a core of them on newer engines; three of these at a time. What failed is
 * tried once more, alone (repeat.ts; not with BIRTHMARK_REPEAT=0). ENGINE names the engines instead, one
 * or several; then all the stories run on each.
 *
 *     test.ts [--integration [STORY]]
 */

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { abuseReport } from './abuse-report.ts';
import { buildAll, buildForTests } from './build.ts';
import { chosenEngines, newerEngines } from './engines.ts';
import { failedIn, NOTHING } from './facts.ts';
import { layOutContexts } from './images.ts';
import { inLanes, namedLines } from './lanes.ts';
import { lastLines, passedAndFailed } from './last-lines.ts';
import { BUILD, PROJECT } from './paths.ts';
import { onPostgres, storiesOf, unitTests, type Outcome, type Piece } from './pieces.ts';
import { layOutPlugin } from './plugin.ts';
import { repeatFailed, type Repeated } from './repeat.ts';
import { runMain, StepError, Steps } from './steps.ts';
import { SIGNALS } from './test-engine.ts';
import { ABUSE_FILE } from './turn.ts';
import { whichTurns } from './turns.ts';

const logFile = join(BUILD, 'logs/test.log');
const STORIES = join(PROJECT, 'test/integration');

/** Stories wait more than they compute, unit tests compute more than they wait: side by side they fill a machine with two processors. */
const LANES = 3;

interface Done extends Outcome {
	readonly name: string;
	readonly piece: Piece;
}

async function main(): Promise<void> {
	const [flag, story] = process.argv.slice(2);
	const everything = flag !== '--integration';
	const chosen = chosenEngines();
	const ending = new AbortController();
	for (const signal of SIGNALS) process.once(signal, () => ending.abort());
	rmSync(ABUSE_FILE, { force: true });
	const steps = new Steps(logFile);
	const rootFileSystem = await buildAll(steps);
	layOutPlugin(rootFileSystem);
	layOutContexts(rootFileSystem);
	await buildForTests(steps);

	const turns = whichTurns({ everything, story, chosen, newer: newerEngines, all: () => readdirSync(STORIES).sort() });
	// What takes long begins first, so that nobody waits for it alone at the end.
	const pieces = turns.map((turn): [string, Piece] => [turn.name, storiesOf(turn, steps)]);
	if (everything) pieces.splice(2, 0, ['unit', unitTests], ['postgres', onPostgres]);
	const done = await inLanes(LANES, pieces.map(([name, piece]) => async (): Promise<Done> => {
		if (ending.signal.aborted) return { name, piece, results: NOTHING };
		try {
			return { name, piece, ...(await (pieces.length === 1 ? piece((chunk) => process.stdout.write(chunk), ending.signal) : withNames(name, piece, ending.signal))) };
		} catch (error) {
			// What the others show is worth knowing all the same.
			const fault = { title: 'not run', error: `${(error as Error).message}; ${error instanceof StepError ? error.remedy : `the details are in ${logFile}`}` };
			return { name, piece, results: { ...NOTHING, facts: [fault] } };
		}
	}));
	// Whoever names an engine or a story looks for a fault, and wants to see it.
	const repeats = everything && chosen.length === 0 && process.env['BIRTHMARK_REPEAT'] !== '0' && !ending.signal.aborted;
	const settled = repeats ? await repeated(done, ending.signal) : { results: done.map(({ results }) => results), onlyRepeated: [], reports: [] };
	tell(done, settled, ending.signal.aborted);
	if (settled.results.some((results) => failedIn(results) > 0) || ending.signal.aborted) process.exitCode = 1;
}

async function withNames(name: string, piece: Piece, signal: AbortSignal, files?: readonly string[]): Promise<Outcome> {
	const lines = namedLines(name, (line) => process.stdout.write(line));
	try {
		return await piece(lines.write, signal, files);
	} finally {
		lines.end();
	}
}

function repeated(done: readonly Done[], signal: AbortSignal): Promise<Repeated> {
	return repeatFailed(done.map(({ name, piece, results }) => ({ name, results, again: async (files) => (await withNames(`${name}-again`, piece, signal, files)).results })), signal);
}

function tell(done: readonly Done[], { results, onlyRepeated, reports }: Repeated, ended: boolean): void {
	process.stdout.write(abuseReport(ABUSE_FILE));
	process.stdout.write(results.map(({ details }) => details).join(''));
	const onEngines = Map.groupBy(results.keys().filter((index) => done[index]!.engineVersion !== undefined), (index) => done[index]!.engineVersion);
	process.stdout.write(lastLines({
		results: results.map((those, index) => [done[index]!.name, those]),
		reports: [
			...[...onEngines].map(([version, those]) => `stories on engine ${version}: ${passedAndFailed(those.map((index) => results[index]!))}`),
			...done.flatMap(({ report }) => report ?? []),
			...reports,
			...(ended ? ['ended before its time'] : []),
		],
		onlyRepeated,
	}));
}

runMain(main, () => logFile);
