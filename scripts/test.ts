/**
 * `make test`: the unit tests, then the integration stories on a private engine that is set up once
 * and removed whatever happens, then a core of them on newer engines. ENGINE names the engines
 * instead, one or several; then all the stories run on each.
 *
 *     test.ts [--integration [STORY]]
 */

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { abuseReport } from './abuse-report.ts';
import { chosenEngines, installEngine, newerEngines } from './engines.ts';
import { failuresIn } from './failures.ts';
import { BUILD, PROJECT } from './paths.ts';
import { PLUGIN } from './plugin.ts';
import { CA_CONTAINER, CA_VOLUME } from './set-up.ts';
import { runMain, StepError, Steps } from './steps.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { withTestEngine } from './test-engine.ts';
import { whichTurns, type Turn } from './turns.ts';

const logFile = join(BUILD, 'logs/test.log');
/** What became of each abuse, a line of JSON for each test. */
const abuseFile = join(BUILD, 'logs/abuses.jsonl');
const AVA = join(PROJECT, 'node_modules/.bin/ava');

/** What these tests ask is asked of the CA, never of its file. */
const ON_POSTGRES = [
	...['authorize', 'join', 'redeem', 'renew', 'renewal-demands', 'user-token'].map((name) => `test/unit/ca/registration/${name}.test.ts`),
	...['lists', 'revocation', 'selectors'].map((name) => `test/unit/ca/revocation/${name}.test.ts`),
	'test/unit/ca/issuance/rotation.test.ts',
	'test/unit/ca/bundle.test.ts',
];

interface Count {
	readonly passed: number;
	readonly failed: number;
	/** what is said about those that failed */
	readonly failures: string;
}

async function main(): Promise<void> {
	const [flag, story] = process.argv.slice(2);
	const counts: Count[] = [];
	rmSync(abuseFile, { force: true });
	const report: string[] = [];
	const turns = whichTurns({ everything: flag !== '--integration', story, chosen: chosenEngines(), newer: newerEngines });
	if (flag !== '--integration') counts.push(await ava([]), await onPostgres());
	for (const turn of turns) {
		try {
			const { count, engineVersion } = await integration(new Steps(logFile), turn);
			counts.push(count);
			report.push(`stories on engine ${engineVersion}: ${count.passed} passed, ${count.failed} failed`);
		} catch (error) {
			const remedy = error instanceof StepError ? `; ${error.remedy}` : `; the details are in ${logFile}`;
			report.push(`stories on ${turn.engine === '' ? 'the distribution\'s engine' : `engine ${turn.engine}`}: not run, ${(error as Error).message}${remedy}`);
			// What the other engines show is worth knowing all the same.
			if (!(error instanceof MissingEngine)) counts.push({ passed: 0, failed: 1, failures: '' });
		}
	}
	const sum = (pick: (count: Count) => number): number => counts.reduce((total, count) => total + pick(count), 0);
	process.stdout.write(abuseReport(abuseFile));
	process.stdout.write(counts.map(({ failures }) => failures).join(''));
	process.stdout.write(`\n${report.join('\n')}\n${sum((count) => count.passed)} passed, ${sum((count) => count.failed)} failed\n`);
	if (sum((count) => count.failed) > 0) process.exitCode = 1;
}

/** Whole CAs once more, each on a database of one PostgreSQL server: every kind of statement has to pass there too. */
async function onPostgres(): Promise<Count> {
	const server = await startPostgres();
	try {
		return await ava(ON_POSTGRES, { BIRTHMARK_TEST_SERVER: await server.newDatabase() });
	} finally {
		await server.remove();
	}
}

/** An engine that nobody asked for, and that cannot be had. */
class MissingEngine extends StepError {}

async function integration(steps: Steps, { engine, stories, optional }: Turn): Promise<{ count: Count; engineVersion: string }> {
	// Whatever starts an engine from here on starts this one, in the stories too.
	process.env['ENGINE'] = engine;
	if (engine !== '') {
		await steps.step(`Fetching the engine ${engine}`, () => installEngine(steps, engine)).catch((error: unknown) => {
			throw optional && error instanceof StepError ? new MissingEngine(error.message, error.remedy) : error;
		});
	}
	return withTestEngine(steps, async ({ paths, docker, caUrl, engineVersion }) => {
		// Asked for: an engine with user namespaces keeps its volumes elsewhere.
		const volume = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', CA_VOLUME])).stdout.trim();
		const setting = { host: paths.host, state: paths.state, caUrl, caContainer: CA_CONTAINER, plugin: PLUGIN, engineVersion, adminSocket: join(volume, 'ca/admin.sock') };
		const files = stories === undefined ? [] : [`test/integration/${stories}/**/*.test.ts`];
		const count = await ava(['--config', 'test/integration.config.js', ...files], { BIRTHMARK_TEST: JSON.stringify(setting), BIRTHMARK_ABUSES: abuseFile, DOCKER_HOST: paths.host });
		return { count, engineVersion };
	});
}

/** Runs ava with its own output on the terminal, and counts what its reporter says. */
function ava(args: readonly string[], environment: Record<string, string> = {}): Promise<Count> {
	return new Promise((resolve, reject) => {
		// What was built is there, so a test that cannot find it is at fault, and not skipped.
		const child = spawn(AVA, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, BIRTHMARK_REQUIRE_POSTGRES: '1', ...environment } });
		let output = '';
		child.stdout.on('data', (chunk: Buffer) => {
			output += chunk.toString();
			process.stdout.write(chunk);
		});
		child.on('error', reject);
		child.on('close', (code) => {
			const number = (pattern: RegExp): number => Number(output.match(pattern)?.[1] ?? 0);
			// The summary leaves out how many passed when some failed.
			const passed = output.match(/^\s*✔ /gm)?.length ?? 0;
			const failed = number(/^\s*(\d+) tests? failed/m) + number(/^\s*(\d+) uncaught exceptions?/m) + number(/^\s*(\d+) unhandled rejections?/m);
			// Whatever else ava is unhappy about (no tests found, a file that does not load) counts as one failure.
			resolve({ passed, failed: failed > 0 || code === 0 ? failed : 1, failures: failuresIn(output) });
		});
	});
}

runMain(main, () => logFile);
