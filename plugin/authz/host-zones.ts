/**
 * Places on the host from which other containers, their identities or the engine are reached (25, 26,
 * 54 in docs/threat-model.md). Whoever binds one, something in it or something above it has the
 * power that is called like it. What lies in the directories of identities is given to nobody.
 */

import { readlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { Self } from '../self.ts';
import { MAX_PARTS, MAX_PATHS, tooMany } from './bounded.ts';
import { isWithin, overlaps, resolveOnHost } from './host-paths.ts';

export interface HostZonesDeps {
	readonly self: () => Promise<Self>;
	/** where the host's file system is seen */
	readonly hostRoot: string;
	/** as people name it on the host: whoever writes it decides what is permitted */
	readonly policyPath: string;
	/** what the engine runs as root for each container, wherever somebody has put it @throws BirthmarkError `engine-unavailable` */
	readonly runtimePaths: () => Promise<readonly string[]>;
}

export interface HostZones {
	/** The places as they are at the moment of one call; what it tells is not kept for another. */
	ofCall(): HostPaths;
}

/** The paths of one call; each is looked at once. */
export interface HostPaths {
	/**
	 * @param path on the host; anything but an absolute one is no path
	 * @returns the powers that a bind of it gives; none for an ordinary directory
	 * @throws BirthmarkError `identity-isolated` for what lies in a directory of identities; `request-too-large`
	 */
	powersOf(path: string, isWritable: boolean): Promise<readonly string[]>;
}

interface Zone {
	readonly power: string;
	readonly paths: readonly string[];
	/** reaching it takes writing */
	readonly ifWritable?: true;
}

const ETC = ['cron.d', 'cron.hourly', 'cron.daily', 'cron.weekly', 'cron.monthly', 'crontab', 'systemd', 'init.d', 'rc.local', 'udev', 'modprobe.d', 'pam.d', 'profile', 'profile.d', 'sudoers', 'sudoers.d', 'passwd', 'shadow', 'group', 'ssh', 'ld.so.preload', 'ld.so.conf', 'ld.so.conf.d', 'apt', 'logrotate.d'];

const ZONES: readonly Zone[] = [
	{ power: 'engine-socket', paths: ['/run/docker.sock', '/run/docker', '/run/containerd', '/run/runc', '/run/crio', '/run/podman', '/run/buildkit'] },
	{ power: 'engine-config', paths: ['/etc/docker', '/etc/containerd', '/etc/cdi', '/run/cdi', '/etc/birthmark'] },
	{ power: 'engine-data', paths: ['/var/lib/docker', '/var/lib/containerd'] },
	{ power: 'host-proc', paths: ['/proc'] },
	{ power: 'host-sys', paths: ['/sys'] },
	// Root in a container is root for these services, and they start programs.
	{ power: 'host-services', paths: ['/run/dbus', '/run/systemd/private', '/run/systemd/system'] },
	// What root on the host runs by itself.
	{
		power: 'host-programs',
		ifWritable: true,
		paths: [
			...['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/usr/bin', '/usr/sbin', '/usr/lib', '/usr/lib32', '/usr/lib64', '/usr/libexec', '/usr/local/bin', '/usr/local/sbin', '/usr/local/lib'],
			...['/boot', '/root/.ssh', '/root/.profile', '/root/.bashrc', '/root/.bash_profile', '/var/spool/cron', ...ETC.map((name) => `/etc/${name}`)],
		],
	},
];

export function createHostZones({ self, hostRoot, policyPath, runtimePaths }: HostZonesDeps): HostZones {
	let zones: Promise<readonly Zone[]> | undefined;
	let runtimes: readonly string[] | undefined;

	/** Links in the paths of zones are the host's own: they are followed once. */
	function known(): Promise<readonly Zone[]> {
		zones ??= learn().catch((error: unknown) => {
			zones = undefined;
			throw error;
		});
		return zones;
	}

	async function learn(): Promise<readonly Zone[]> {
		const { dataRoot, runPaths } = await self();
		const own = [
			{ power: 'engine-data', paths: [dataRoot] },
			{ power: 'engine-socket', paths: runPaths },
			{ power: 'engine-config', paths: [policyPath] },
		];
		return Promise.all([...ZONES, ...own].map(async (zone) => ({ ...zone, paths: await spellings(zone.paths) })));
	}

	/** An engine that does not answer for the moment has those that it had. */
	async function runtimeZone(): Promise<Zone> {
		try {
			runtimes = await runtimePaths();
		} catch (error) {
			if (runtimes === undefined) throw error;
		}
		return { power: 'host-programs', ifWritable: true, paths: await spellings(runtimes) };
	}

	/** Each path as it is written, and as the host's links lead. */
	async function spellings(paths: readonly string[]): Promise<readonly string[]> {
		const resolved = await Promise.all(paths.map((path) => resolveOnHost(hostRoot, path)));
		return [...new Set([...paths, ...resolved.filter((path) => path !== undefined)])];
	}

	function ofCall(): HostPaths {
		const looked = new Map<string, Promise<readonly string[]>>();
		const protectedPaths = once(async () => spellings((await self()).protectedPaths));
		const places = once(known);
		const programs = once(runtimeZone);
		let parts = 0;
		const lookAt = (part: string): Promise<string> => {
			if (parts++ === MAX_PARTS) throw tooMany('parts of paths of the host', MAX_PARTS);
			return readlink(part);
		};

		async function look(path: string, isWritable: boolean): Promise<readonly string[]> {
			const resolved = await resolveOnHost(hostRoot, path, lookAt);
			// Too many links: nobody knows where it leads.
			const candidates = [...new Set([posix.resolve(path), resolved ?? '/'])];
			const forbidden = (await protectedPaths()).find((directory) => candidates.some((candidate) => isWithin(candidate, directory)));
			if (forbidden !== undefined) {
				throw new BirthmarkError('identity-isolated', `the host path ${quote(path)} leads to where the identities of containers are mounted (${forbidden}); bind another directory`);
			}
			// The whole host is one power, not a list of all of them.
			if (candidates.includes('/')) return ['host-root'];
			const powers = new Set<string>();
			for (const { power, paths, ifWritable } of [...(await places()), ...(isWritable ? [await programs()] : [])]) {
				if (ifWritable && !isWritable) continue;
				if (candidates.some((candidate) => paths.some((place) => overlaps(candidate, place)))) powers.add(power);
			}
			if ((await protectedPaths()).some((directory) => candidates.some((candidate) => isWithin(directory, candidate)))) powers.add('identities');
			return [...powers];
		}

		return {
			async powersOf(path, isWritable) {
				if (!path.startsWith('/')) return [];
				const key = (isWritable ? 'w' : 'r') + path;
				const before = looked.get(key);
				if (before) return before;
				if (looked.size === MAX_PATHS) throw tooMany('paths of the host', MAX_PATHS);
				const powers = look(path, isWritable);
				looked.set(key, powers);
				return powers;
			},
		};
	}

	return { ofCall };
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
	let answer: Promise<T> | undefined;
	return () => (answer ??= ask());
}
