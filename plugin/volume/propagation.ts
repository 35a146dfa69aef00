/**
 * Is what the plugin mounts seen where containers are made?
 *
 * An engine that starts after a crash ends the plugin of before and starts it anew, and cleans up
 * after the one while it prepares the other (moby, plugin/manager.go, HandleExitEvent). Now and then
 * it so unmounts the directory that it has just shared with the plugin: nothing that is mounted
 * from then on reaches a container, and only another start of the plugin mends that (docs/adr/0023).
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { posix } from 'node:path';
import { listenUnix } from '#common/runtime/listen.ts';
import type { Logger } from '#common/runtime/log.ts';
import { isWithin } from '../authz/host-paths.ts';
import { unescapePath } from './mount-calls.ts';

/** What is said where no other start can mend it. */
export const NOT_PROPAGATED = 'what the plugin mounts does not reach containers; restart the engine';
/** Whoever has just been started anew for this, and finds it the same, stays: it would only end in the same place again. */
const PATIENCE_MS = 20_000;
/** The engine's cleaning takes milliseconds, much longer only on a host that is very busy. */
const INTERVAL_MS = 1_000;
const WATCHED_MS = 60_000;

export interface PropagationDeps {
	/** the plugin's propagated mount */
	readonly directory: string;
	/** mountinfo of the plugin, and of the process that started it, in whose mounts containers are made (proc_pid_mountinfo(5)) */
	readonly own: string;
	readonly shim: string;
}

/**
 * @returns false only when it is certain that no mount reaches the containers: where the directory lies
 * on their side, another mount is on top, which does not share with it (mount_namespaces(7))
 */
export async function reachesContainers({ directory, own, shim }: PropagationDeps): Promise<boolean> {
	try {
		const [mount, places] = await sharedPlaces({ directory, own, shim });
		if (mount?.group === undefined || mount.point !== directory) return true; // not a mount of an engine: nothing to conclude from it
		return places.length === 0 || places.some(({ group }) => group === mount.group);
	} catch {
		return true;
	}
}

/**
 * Where the directory is for whoever makes containers.
 *
 * @returns its path there; undefined when it is not shared with them
 * @throws Error when the tables cannot be read
 */
export async function placeForContainers(deps: PropagationDeps): Promise<string | undefined> {
	const [mount, places] = await sharedPlaces(deps);
	const place = mount?.group === undefined || mount.point !== deps.directory ? undefined : places.find(({ group }) => group === mount.group);
	return place && unescapePath(place.path);
}

/** The mount that holds the directory, and where else it lies, each with the peer group of what is on top there. */
async function sharedPlaces({ directory, own, shim }: PropagationDeps): Promise<[MountEntry | undefined, { readonly path: string; readonly group: string | undefined }[]]> {
	const [ours, theirs] = (await Promise.all([readFile(own, 'utf8'), readFile(shim, 'utf8')])).map(parseMounts) as [MountEntry[], MountEntry[]];
	const mount = topmost(ours, directory);
	if (!mount) return [undefined, []];
	const paths = theirs.filter(({ device, root }) => device === mount.device && isWithin(mount.root, root)).map(({ root, point }) => posix.join(point, mount.root.slice(root.length)));
	return [mount, paths.map((path) => ({ path, group: topmost(theirs, path)?.group }))];
}

interface MountEntry {
	readonly id: string;
	readonly parent: string;
	readonly device: string;
	/** within its file system */
	readonly root: string;
	readonly point: string;
	readonly group: string | undefined;
}

/** Escapes in paths are left as they are: they are the same wherever a path stands. */
function parseMounts(mountinfo: string): MountEntry[] {
	return mountinfo.split('\n').filter((line) => line !== '').map((line) => {
		const [id = '', parent = '', device = '', root = '', point = '', , ...tags] = line.split(' - ')[0]!.split(' ');
		return { id, parent, device, root, point, group: tags.find((tag) => tag.startsWith('shared:')) };
	});
}

/** Of mounts on the same place the one that carries no other; their order in the table says nothing. */
function topmost(mounts: readonly MountEntry[], path: string): MountEntry | undefined {
	const covering = mounts.filter(({ point }) => isWithin(path, point));
	const longest = Math.max(...covering.map(({ point }) => point.length));
	const stack = covering.filter(({ point }) => point.length === longest);
	return stack.find(({ id }) => !stack.some(({ parent }) => parent === id));
}

/** @param marker a file that tells when another start was last tried for this @returns true once in a while, and notes it */
export function mayStartAgain(marker: string, now: number): boolean {
	let last = Number.NaN;
	try {
		last = Number(readFileSync(marker, 'utf8'));
	} catch {
		// never yet
	}
	if (Math.abs(now - last) < PATIENCE_MS) return false;
	writeFileSync(marker, String(now));
	return true;
}

/**
 * Looks for the first minute, in which the engine may still be cleaning up.
 *
 * @param seen the engine has seen that the plugin is there
 * @param onLost called once, after that; `reaches` is not asked again
 */
export function watchPropagation({ reaches, seen, onLost }: { readonly reaches: () => Promise<boolean>; readonly seen: Promise<void>; readonly onLost: () => void }): { close(): void } {
	const start = performance.now();
	let timer: NodeJS.Timeout;
	let closed = false;
	const wait = (): void => void (timer = setTimeout(() => void look(), INTERVAL_MS).unref());
	const look = async (): Promise<void> => {
		if (await reaches()) return performance.now() < start + WATCHED_MS ? wait() : undefined;
		await seen;
		if (!closed) onLost();
	};
	wait();
	return {
		close: () => {
			closed = true;
			clearTimeout(timer);
		},
	};
}

/**
 * Waits for the engine to see that the plugin is there, which it does by a connection on which it says
 * nothing: it starts a plugin again that ends after that, and gives up one that ends before (moby,
 * pluginPostStart). Nothing is answered, so that whatever the engine asks, it asks the plugin that comes.
 */
export async function awaitEngine(socket: string, logger: Logger): Promise<void> {
	await new Promise<void>((resolve, reject) => {
		const server = createServer((connection) => {
			connection.on('error', () => {}); // gone already
			connection.once('data', () => connection.destroy());
			connection.once('end', () => {
				if (connection.bytesRead > 0) return;
				server.close();
				resolve();
			});
		});
		listenUnix(server, socket, 0o600).catch(reject);
	}).catch((error: unknown) => logger.warn('the engine could not be awaited', { error }));
}
