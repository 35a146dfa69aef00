/**
 * What birthmark-runtime costs containers that are none of ours: their creation and start with it and with
 * the engine's own runtime, on one engine, in turns; and one call of it alone. The figures to keep are
 * the differences of the medians.
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { RUNTIME_EXECUTABLE } from '../scripts/build-runtime.ts';
import { RUNTIME } from '../scripts/engine-runtime.ts';
import { BUILD, type EnginePaths } from '../scripts/paths.ts';
import { runMain, Steps } from '../scripts/steps.ts';
import { withTestEngine } from '../scripts/test-engine.ts';
import { quantile } from './support/quantile.ts';

const ROUNDS = 60;
const CALLS = 400;
const WARM_UP = 5;
/** What creation and start may take longer. */
const PROMISED_MS = 2;
const logFile = join(BUILD, 'logs/bench.log');

/** Milliseconds for creation and start, without what comes after. */
async function birth(docker: Docker, Runtime: string): Promise<number> {
	const started = performance.now();
	const container = await docker.createContainer({ Image: 'test/busybox', Cmd: ['true'], HostConfig: { Runtime, NetworkMode: 'none' } });
	await container.start();
	const time = performance.now() - started;
	await container.wait();
	await container.remove();
	return time;
}

function call(program: string): number {
	const started = performance.now();
	execFileSync(program, ['delete', 'x'], { stdio: 'ignore' });
	return performance.now() - started;
}

/** A copy that stands before a program which does nothing. */
function beforeNothing(paths: EnginePaths): string {
	const directory = join(paths.state, 'bench');
	const program = join(directory, 'birthmark-runtime');
	mkdirSync(directory);
	copyFileSync(RUNTIME_EXECUTABLE, program);
	writeFileSync(`${program}.conf`, `runtime=/bin/true\ndata-root=${paths.data}\nsocket=${directory}/hook.sock\n`);
	return program;
}

async function inTurns(rounds: number, ways: Readonly<Record<string, () => number | Promise<number>>>): Promise<number[]> {
	const times = Object.values(ways).map(() => [] as number[]);
	for (let round = -WARM_UP; round < rounds; round++) {
		for (const [index, way] of Object.values(ways).entries()) {
			const time = await way();
			if (round >= 0) times[index]!.push(time);
		}
	}
	const medians = times.map((values) => quantile(values, 0.5));
	for (const [index, name] of Object.keys(ways).entries()) console.log(`  ${name.padEnd(34)} p50 ${medians[index]!.toFixed(2).padStart(7)} ms   p95 ${quantile(times[index]!, 0.95).toFixed(2).padStart(7)} ms`);
	return medians;
}

runMain(
	() =>
		withTestEngine(new Steps(logFile), async ({ paths }) => {
			const docker = new Docker({ socketPath: paths.socket });
			console.log(`\nCreation and start of a container without labels, ${ROUNDS} rounds in turns`);
			const [without, by] = await inTurns(ROUNDS, { 'with runc': () => birth(docker, 'runc'), 'with birthmark-runtime before it': () => birth(docker, RUNTIME) });
			const added = by! - without!;
			console.log(`  added ${added.toFixed(2)} ms, ${(by! / without!).toFixed(3)} times the reference${added <= PROMISED_MS ? '' : `   more than the ${PROMISED_MS} ms that are promised`}`);
			console.log(`\nOne call of a runtime that does nothing, ${CALLS} rounds in turns`);
			const program = beforeNothing(paths);
			const [alone, wrapped] = await inTurns(CALLS, { 'alone': () => call('/bin/true'), 'with birthmark-runtime before it': () => call(program) });
			console.log(`  added ${(wrapped! - alone!).toFixed(2)} ms\n`);
		}),
	() => logFile,
);
