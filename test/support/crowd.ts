/**
 * Many labelled containers at the same time: created, started, certified, removed; and what is left
 * of them afterwards, which should be nothing. For a story (a few dozen) and a benchmark (500).
 */

import { readFileSync, readdirSync } from 'node:fs';
import type Docker from 'dockerode';
import { auditRecords } from '../../cli/audit-log.ts';
import { addIdentity } from '../../hook/provision.ts';
import { pluginProcess } from './processes.ts';
import { eventually, type World } from './world.ts';

export interface CrowdOptions {
	readonly count: number;
	/** calls of each kind that are under way at the same time */
	readonly parallel: number;
	/** how long all of them together may take to get their certificates */
	readonly seconds: number;
	/** called with what is under way, and at its end */
	readonly step?: <T>(title: string, work: () => Promise<T>) => Promise<T>;
}

export interface Crowd {
	/** `create api01: <what the engine said>` */
	readonly errors: readonly string[];
	/** different names that have a certificate that is valid */
	readonly certified: number;
}

/** What containers with identities make the host, the plugin and the CA keep while they live. */
export interface Kept {
	/** mount points of identities */
	readonly mounts: readonly string[];
	readonly volumes: readonly string[];
	/** ids of those at the CA that have not ended */
	readonly authorizations: readonly string[];
	/** open in the plugin */
	readonly fileDescriptors: number;
	/** private to the plugin, bytes */
	readonly memory: number;
}

const IMAGE = { Entrypoint: ['sleep'], Cmd: ['3600'] };

/** Every container is removed again, whatever happens. */
export async function crowd(world: World, { count, parallel, seconds, step = (_, work) => work() }: CrowdOptions): Promise<Crowd> {
	const prefix = world.name('api');
	const names = Array.from({ length: count }, (_, index) => `${prefix}n${index}`);
	const errors: string[] = [];
	const containers = new Map<string, Docker.Container>();
	const all = (verb: string, of: readonly string[], work: (name: string) => Promise<unknown>): Promise<void> =>
		inParallel(of, parallel, async (name) => {
			await work(name).catch((error: unknown) => errors.push(`${verb} ${name}: ${error instanceof Error ? error.message : String(error)}`));
		});
	let certified = 0;
	try {
		await step(`Creating ${count}, ${parallel} at a time`, () =>
			all('create', names, async (name) => {
				const options = { Image: 'test/busybox', HostConfig: { NetworkMode: 'none' } };
				containers.set(name, await world.docker.createContainer(addIdentity(options, IMAGE, { commonName: name, organizationalUnit: 'web-api' })));
			}));
		await step('Starting them', () => all('start', [...containers.keys()], (name) => containers.get(name)!.start()));
		await step('Waiting for their certificates', async () => {
			await eventually('all of them have one', async () => {
				certified = new Set((await world.identities()).filter(({ commonName }) => commonName.startsWith(`${prefix}n`)).map(({ commonName }) => commonName)).size;
				return certified === count;
			}, seconds).catch((error: Error) => errors.push(error.message));
		});
	} finally {
		await step('Removing them', () => all('remove', [...containers.keys()], (name) => containers.get(name)!.remove({ force: true, v: true })));
	}
	return { errors, certified };
}

export async function kept(world: World): Promise<Kept> {
	const { Volumes } = await world.docker.listVolumes();
	const pid = pluginProcess(world.paths);
	return {
		mounts: readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n').filter((line) => line.includes(' - tmpfs birthmark ')).map((line) => line.split(' ')[4]!),
		volumes: Volumes.filter(({ Driver }) => Driver.startsWith(world.plugin)).map(({ Name }) => Name),
		authorizations: await liveAuthorizations(world),
		fileDescriptors: readdirSync(`/proc/${pid}/fd`).length,
		memory: 1024 * Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]),
	};
}

/** What is there now and was not before, by its name. */
export function leftOver(before: Kept, now: Kept): string[] {
	return (['mounts', 'volumes', 'authorizations'] as const).flatMap((what) => now[what].filter((name) => !before[what].includes(name)).map((name) => `${what}: ${name}`));
}

/** By the audit log, which tells of each a second later. */
async function liveAuthorizations(world: World): Promise<string[]> {
	const records = await Array.fromAsync(auditRecords(world.ca, 0));
	const ids = (action: string): Set<string> => new Set(records.filter((record) => record.action === action).map(({ subject }) => subject ?? ''));
	return [...ids('authorization.create').difference(ids('authorization.end'))];
}

/** Runs `work` for each item, so many at a time, in their order. */
async function inParallel<T>(items: readonly T[], parallel: number, work: (item: T) => Promise<void>): Promise<void> {
	const queue = items.values();
	await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, async () => {
		for (const item of queue) await work(item);
	}));
}
