/**
 * What the agent costs: how long from its start to the start of the application, with the certificate in
 * place and the CA on the same machine; and what it keeps of a machine that many of them share, while
 * nothing happens. Times depend on the machine, the rest does not.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { BUILD } from '../scripts/paths.ts';
import { runMain, Steps } from '../scripts/steps.ts';
import { withTestEngine } from '../scripts/test-engine.ts';
import { quantile } from './support/quantile.ts';

const ROUNDS = 40;
const WARM_UP = 3;
const CONTAINERS = 50;
/** The runtime collects garbage for the last time two minutes after it became idle. */
const SETTLED_MS = 150_000;
const WATCHED_MS = 120_000;
const PROMISED = { milliseconds: 20, anonymousKiB: 6 * 1024, wakeUpsPerMinute: 1, partOfTheFirst: 0.1 };
const AGENT = '/run/birthmark/bin/birthmark-agent';
const logFile = join(BUILD, 'logs/bench.log');

function options(command: readonly string[]): Docker.ContainerCreateOptions {
	const mount = { Type: 'volume' as const, Target: '/run/birthmark', Source: '', VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: 'birthmark', Options: {} } } };
	return {
		Image: 'test/busybox',
		Entrypoint: [...command],
		Labels: { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api' },
		// A look at the trust bundle every few minutes is no rest.
		Env: ['BIRTHMARK_BUNDLE_CHECK_SECONDS=86400'],
		HostConfig: { NetworkMode: 'none', Mounts: [mount] },
	};
}

/** Milliseconds from the start of the agent to that of the application, by the clock of the container. */
async function birth(docker: Docker): Promise<number> {
	const container = await docker.createContainer(options(['/probe', '--clock', AGENT, 'exec', '--', '/probe', '--clock']));
	await container.start();
	await container.wait();
	const log = ((await container.logs({ stdout: true, stderr: true })) as unknown as Buffer).toString('latin1');
	await container.remove({ v: true });
	const [before, after] = [...log.matchAll(/\d{19}/g)].map(([text]) => BigInt(text));
	if (before === undefined || after === undefined) throw new Error(`no birth: ${log}`);
	return Number(after - before) / 1e6;
}

interface Memory {
	/** KiB that this process alone has and that come from no file */
	readonly anonymous: number;
	/** KiB, what is shared divided by those who share it */
	readonly proportional: number;
}

function memory(pid: number): Memory {
	const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
	const field = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1]);
	return { anonymous: field('Anonymous'), proportional: field('Pss') };
}

/** How often the threads of a process have gone to sleep, each time after something had woken them. */
function sleeps(pid: number): number {
	return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'))?.[1]), 0);
}

async function start(docker: Docker): Promise<number> {
	const container = await docker.createContainer(options([AGENT, 'exec', '--', 'sleep', '3600']));
	await container.start();
	return (await container.inspect()).State.Pid;
}

function report(what: string, value: number, unit: string, promised: number, digits = 1): void {
	const verdict = value <= promised ? '' : `   more than the ${promised} that are promised`;
	console.log(`  ${what.padEnd(52)} ${value.toFixed(digits).padStart(7)} ${unit}${verdict}`);
}

runMain(
	() =>
		withTestEngine(new Steps(logFile), async ({ paths }) => {
			const docker = new Docker({ socketPath: paths.socket });
			const times: number[] = [];
			for (let round = -WARM_UP; round < ROUNDS; round++) {
				const time = await birth(docker);
				if (round >= 0) times.push(time);
			}
			console.log(`\nthe agent, from its start to that of the application, ${ROUNDS} containers one after the other`);
			report('p50', quantile(times, 0.5), 'ms', PROMISED.milliseconds);
			report('p10, as on a quiet machine', quantile(times, 0.1), 'ms', Number.POSITIVE_INFINITY);
			report('p95', quantile(times, 0.95), 'ms', Number.POSITIVE_INFINITY);

			const first = await start(docker);
			await sleep(SETTLED_MS);
			const alone = memory(first);
			const pids = [first];
			while (pids.length < CONTAINERS) pids.push(await start(docker));
			await sleep(SETTLED_MS);
			const before = pids.map(sleeps);
			await sleep(WATCHED_MS);
			const wakeUps = pids.map((pid, index) => ((sleeps(pid) - before[index]!) * 60_000) / WATCHED_MS);
			const memories = pids.map(memory);
			const proportional = quantile(memories.map((each) => each.proportional), 0.5);
			console.log(`\nthe agent at rest, ${CONTAINERS} containers, medians`);
			report('private anonymous memory', quantile(memories.map((each) => each.anonymous), 0.5) / 1024, 'MiB', PROMISED.anonymousKiB / 1024, 2);
			report('proportional set size of one alone', alone.proportional / 1024, 'MiB', Number.POSITIVE_INFINITY, 2);
			report(`proportional set size of one of ${CONTAINERS}`, proportional / 1024, 'MiB', Number.POSITIVE_INFINITY, 2);
			report('the same as a part of one alone', proportional / alone.proportional, '', PROMISED.partOfTheFirst, 3);
			report('wake-ups of all its threads in a minute', quantile(wakeUps, 0.5), '', PROMISED.wakeUpsPerMinute);
			console.log();
		}),
	() => logFile,
);
