/**
 * Bridges and addresses of a private engine. The host's firewall is left alone, but for a rule for our
 * bridges where another engine makes bridged traffic pass it.
 */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { engineEnvironment } from './engines.ts';
import type { EnginePaths } from './paths.ts';
import { StepError, type Steps } from './steps.ts';

/** The engine's bridge, unless it is there; all bridges of an engine begin with its name. */
export async function makeBridge(steps: Steps, paths: EnginePaths): Promise<void> {
	if (!existsSync(`/sys/class/net/${paths.bridge}`)) {
		const env = engineEnvironment();
		await steps.run('ip', ['link', 'add', paths.bridge, 'type', 'bridge'], { env });
		await steps.run('ip', ['address', 'add', `${freeSubnet(paths)}.1/24`, 'dev', paths.bridge], { env });
		await steps.run('ip', ['link', 'set', paths.bridge, 'up'], { env });
	}
	await admitBridgedTraffic(steps, paths);
}

export async function removeBridges(steps: Steps, paths: EnginePaths): Promise<void> {
	const env = engineEnvironment();
	for (const bridge of readdirSync('/sys/class/net').filter((name) => name.startsWith(paths.bridge))) await steps.run('ip', ['link', 'delete', bridge], { mayFail: true, env });
	await steps.run('iptables', ['--wait', '-D', ...bridgeRule(paths)], { mayFail: true, env });
	for (const second of SECONDS) if (ownerOf(second) === paths.bridge) rmSync(claimOn(second), { force: true });
}

/**
 * For the networks that are made on the engine: a range of its own, then, where the host needs that one, the
 * engine's usual ones. Engines look for addresses that nobody has, and would find the same in the same moment.
 */
export function addressPools(paths: EnginePaths): { base: string; size: number }[] {
	return [{ base: `10.${128 + byteOf(paths) % 80}.0.0/16`, size: 24 }, { base: '172.16.0.0/12', size: 16 }, { base: '192.168.0.0/16', size: 20 }];
}

/** Another engine on this machine sets the policy DROP for what is forwarded, and bridged packets count as that. */
async function admitBridgedTraffic(steps: Steps, paths: EnginePaths): Promise<void> {
	const filtered = '/proc/sys/net/bridge/bridge-nf-call-iptables';
	if (!existsSync(filtered) || readFileSync(filtered, 'utf8').trim() !== '1') return;
	const env = engineEnvironment();
	const there = await steps.run('iptables', ['--wait', '-C', ...bridgeRule(paths)], { mayFail: true, env });
	if (there.code !== 0) await steps.run('iptables', ['--wait', '-I', ...bridgeRule(paths)], { env });
}

/** All bridges of this engine begin with the same letters; `+` stands for the rest. */
function bridgeRule(paths: EnginePaths): string[] {
	return ['FORWARD', '-i', `${paths.bridge}+`, '-o', `${paths.bridge}+`, '-j', 'ACCEPT'];
}

/** Of 10.211.0.0–10.254.0.0. */
const SECONDS = Array.from({ length: 44 }, (_, index) => 211 + index);

/** The first three numbers of a /24 that no route of this machine is for, and no other engine is about to take; each engine begins elsewhere. */
function freeSubnet(paths: EnginePaths): string {
	const taken = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1).map((line) => line.split('\t')[1]).filter((hex) => hex !== undefined && hex !== '00000000');
	for (const index of SECONDS.keys()) {
		const second = SECONDS[(byteOf(paths) + index) % SECONDS.length]!;
		// The kernel prints the address in host byte order.
		if (!taken.includes(`0000${second.toString(16)}0a`.toUpperCase()) && claim(second, paths)) return `10.${second}.0`;
	}
	throw new StepError('no free subnet in 10.211.0.0–10.254.0.0', 'remove unused bridges, or use BIRTHMARK_DOCKER_HOST=… with an engine of your own');
}

/** A link to the name of the bridge that has it: only one of two engines can make it, while neither sees a route of the other yet. */
const claimOn = (second: number): string => `/run/bmk-net-${second}`;

/** @returns is it ours now; the bridge is there already */
function claim(second: number, { bridge }: EnginePaths): boolean {
	const owner = ownerOf(second);
	if (owner !== undefined && owner !== bridge) {
		if (existsSync(`/sys/class/net/${owner}`)) return false;
		rmSync(claimOn(second), { force: true }); // of one that was never removed
	}
	try {
		symlinkSync(bridge, claimOn(second));
	} catch {
		// somebody was faster
	}
	return ownerOf(second) === bridge;
}

function ownerOf(second: number): string | undefined {
	try {
		return readlinkSync(claimOn(second));
	} catch {
		return undefined;
	}
}

/** The same number for an engine each time, and mostly another for another. */
function byteOf({ bridge }: EnginePaths): number {
	return createHash('sha256').update(bridge).digest().readUInt8();
}
