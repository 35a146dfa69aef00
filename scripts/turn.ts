/**
 * One engine's turn: the engine is set up, the stories run on it, it is removed whatever happens. In a
 * process of its own, because which engine it is (ENGINE) counts for all of a process.
 *
 *     turn.ts TURN        TURN: JSON, see Turn in turns.ts
 */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ava } from './ava.ts';
import type { Results } from './facts.ts';
import { BUILD } from './paths.ts';
import { PLUGIN } from './plugin.ts';
import { CA_CONTAINER, CA_VOLUME } from './set-up.ts';
import { runMain, StepError, Steps } from './steps.ts';
import { SIGNALS, withTestEngine } from './test-engine.ts';
import type { Turn } from './turns.ts';

/** What became of each abuse, a line of JSON for each test. */
export const ABUSE_FILE = join(BUILD, 'logs/abuses.jsonl');

export interface TurnResult {
	readonly results: Results;
	/** what the engine says of itself, `26.1.5+dfsg1` */
	readonly engineVersion: string;
}

const logFile = (turn: Turn): string => join(BUILD, `logs/test-${turn.name}.log`);

/**
 * Everything has been built and fetched before.
 *
 * @param print gets what is said on the way
 * @param signal ends it before its time; the engine is removed then too
 * @throws StepError when the engine could not be set up
 */
export function runTurn(turn: Turn, print: (chunk: string) => void, signal: AbortSignal): Promise<TurnResult> {
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, [import.meta.filename, JSON.stringify(turn)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env: { ...process.env, ENGINE: turn.engine } });
		const end = (): void => void child.kill();
		signal.addEventListener('abort', end, { once: true });
		let result: TurnResult | undefined;
		let said = '';
		child.on('message', (message) => (result = message as TurnResult));
		child.stdout!.setEncoding('utf8').on('data', print);
		child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
			said += chunk;
			print(chunk);
		});
		child.on('error', reject);
		child.on('close', (code, killedBy) => {
			signal.removeEventListener('abort', end);
			if (result !== undefined) return resolve(result);
			reject(new StepError(/^error: (.*)$/m.exec(said)?.[1] ?? `its process ended with ${killedBy ?? code}`, `read ${logFile(turn)}`));
		});
	});
}

async function main(turn: Turn): Promise<void> {
	const ending = new AbortController();
	for (const signal of SIGNALS) process.once(signal, () => ending.abort());
	const result = await withTestEngine(new Steps(logFile(turn)), async ({ paths, docker, caUrl, engineVersion }): Promise<TurnResult> => {
		// Asked for: an engine with user namespaces keeps its volumes elsewhere.
		const volume = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', CA_VOLUME])).stdout.trim();
		const setting = { host: paths.host, state: paths.state, caUrl, caContainer: CA_CONTAINER, plugin: PLUGIN, engineVersion, adminSocket: join(volume, 'ca/admin.sock') };
		const files = turn.files ?? (turn.stories === undefined ? [] : [`test/integration/${turn.stories}/**/*.test.ts`]);
		const environment = { BIRTHMARK_TEST: JSON.stringify(setting), BIRTHMARK_ABUSES: ABUSE_FILE, DOCKER_HOST: paths.host };
		const results = await ava(['--config', 'test/integration.config.js', ...files], (chunk) => process.stdout.write(chunk), { environment, signal: ending.signal });
		return { results, engineVersion };
	}, { isBuilt: true });
	process.send!(result);
}

if (import.meta.main) {
	const turn = JSON.parse(process.argv[2]!) as Turn;
	runMain(() => main(turn), () => logFile(turn));
}
