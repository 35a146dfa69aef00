/** A swarm of the one engine under test. */

import { createHash } from 'node:crypto';
import type { EnginePaths } from '../../scripts/paths.ts';
import { freePort } from '../../scripts/ports.ts';
import { eventually, type World } from './world.ts';

/** @throws Error when the command fails */
export async function docker(world: World, ...args: readonly string[]): Promise<string> {
	const { code, stdout, stderr } = await world.cli(args);
	if (code !== 0) throw new Error(`docker ${args.slice(0, 2).join(' ')}: ${stderr}`);
	return stdout.trim();
}

export async function makeSwarm(world: World): Promise<void> {
	// The swarm makes this network by itself, with a bridge whose name another engine on this machine may have taken.
	await docker(world, 'network', 'create', '--opt', `com.docker.network.bridge.name=${world.paths.bridge}-gw`, '--opt', 'com.docker.network.bridge.enable_ip_masquerade=false', 'docker_gwbridge');
	const address = loopbackOf(world.paths);
	await docker(world, 'swarm', 'init', '--advertise-addr', address, '--listen-addr', `${address}:2377`, '--data-path-port', String(await freePort()));
}

/** An address for each engine: managers gossip at a port that cannot be chosen, and another engine may be in a swarm of its own. */
export function loopbackOf({ state }: EnginePaths): string {
	return ['127', ...createHash('sha256').update(state).digest().subarray(0, 3).map((byte) => 1 + byte % 254)].join('.');
}

export async function leaveSwarm(world: World): Promise<void> {
	await eventually('the engine is in no swarm', async () => {
		const { code, stderr } = await world.cli(['swarm', 'leave', '--force']);
		return code === 0 || /not part of a swarm/i.test(stderr);
	});
	// Tasks that are just ending are in it still.
	await eventually('the network of the swarm is gone', async () => {
		const { code, stderr } = await world.cli(['network', 'rm', 'docker_gwbridge']);
		return code === 0 || /not found|No such network/i.test(stderr);
	});
}
