/**
 * What the plugin costs calls that do not concern it: the latency of single calls to the engine's
 * API with the plugin in the chain and without, on one engine, in turns. The figures to keep are the
 * difference of the medians, and what it is in times of a call without a plugin.
 */

import { join } from 'node:path';
import Docker from 'dockerode';
import { BUILD, type EnginePaths } from '../scripts/paths.ts';
import { PLUGIN } from '../scripts/plugin.ts';
import { reloadEngine, writeDaemonJson } from '../scripts/private-engine.ts';
import { pluginStatus, until, waitUntilEnforced } from '../scripts/set-up.ts';
import { runMain, Steps } from '../scripts/steps.ts';
import { withTestEngine } from '../scripts/test-engine.ts';
import { openPlainClient } from './support/plain-client.ts';
import { quantile } from './support/quantile.ts';

const ROUNDS = 8;
const CALLS_A_ROUND = 150;
const WARM_UP = 50;
/** So that there is something to list. */
const CONTAINERS = 20;
/** The median may be this much higher. */
const PROMISED_MS = 0.35;
const CALLS = ['/_ping', '/containers/json', '/containers/json?all=1', '/containers/bench0/json', '/images/json', '/networks', '/volumes'] as const;
const CHAINS = ['without', 'with'] as const;
const logFile = join(BUILD, 'logs/bench.log');

type Chain = (typeof CHAINS)[number];
type Times = Record<Chain, number[]>;

async function switchTo(chain: Chain, paths: EnginePaths): Promise<void> {
	writeDaemonJson(paths, chain === 'with' ? [PLUGIN] : []);
	reloadEngine(paths);
	if (chain === 'with') await waitUntilEnforced(paths.host);
	else await until(async () => (await pluginStatus(paths.host))?.inChain === false, 30, 'the plugin is still in the chain', 'read the engine\'s log');
}

async function measure(paths: EnginePaths, times: ReadonlyMap<string, Times>): Promise<void> {
	for (let round = 0; round < ROUNDS; round++) {
		for (const chain of CHAINS) {
			await switchTo(chain, paths);
			const client = await openPlainClient(paths.socket);
			for (const path of CALLS) {
				for (let call = -WARM_UP; call < CALLS_A_ROUND; call++) {
					const time = await client.get(path);
					if (call >= 0) times.get(path)![chain].push(time);
				}
			}
			client.close();
		}
	}
}

function report(times: ReadonlyMap<string, Times>): void {
	console.log(`\nAdded to a call of the engine's API by the plugin, ${ROUNDS} rounds of ${CALLS_A_ROUND} calls in turns; µs`);
	for (const [path, { with: withPlugin, without }] of times) {
		const [low, high] = [quantile(without, 0.5), quantile(withPlugin, 0.5)];
		const verdict = high - low <= PROMISED_MS ? '' : `   more than the ${PROMISED_MS} ms that are promised`;
		console.log(`  ${path.padEnd(24)} p50 ${µs(low)} → ${µs(high)}  +${µs(high - low)}  ${(high / low).toFixed(1)} times   p95 ${µs(quantile(without, 0.95))} → ${µs(quantile(withPlugin, 0.95))}${verdict}`);
	}
	console.log();
}

function µs(milliseconds: number): string {
	return (milliseconds * 1000).toFixed(0).padStart(5);
}

runMain(
	() =>
		withTestEngine(new Steps(logFile), async ({ paths }) => {
			const docker = new Docker({ socketPath: paths.socket });
			for (let i = 0; i < CONTAINERS; i++) await docker.createContainer({ name: `bench${i}`, Image: 'test/busybox', Cmd: ['true'] });
			const times = new Map(CALLS.map((path) => [path as string, { with: [], without: [] } as Times]));
			await measure(paths, times);
			report(times);
		}),
	() => logFile,
);
