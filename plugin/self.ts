/**
 * What the plugin is called on this engine and where its files lie on the host.
 *
 * A managed plugin may be installed under any alias, and the engine takes every spelling of it:
 * `birthmark`, `birthmark:latest`, `docker.io/library/birthmark`, the id and each prefix of it
 * (moby, plugin/store.go resolvePluginID). Which of the installed plugins we are, our mounts tell.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import type { EngineInfo, EnginePlugin } from './docker.ts';

export interface Self {
	/** 64 hexadecimal digits; absent for a plugin outside the engine's management (a socket in /run/docker/plugins) */
	readonly id?: string;
	/** with its tag, as the engine prints it: the driver of volumes */
	readonly name: string;
	/** directories on the host that hold identities, or from which they are reached */
	readonly protectedPaths: readonly string[];
	/** where the engine keeps everything */
	readonly dataRoot: string;
	/** the engine's socket, and the directory that holds it where that is the engine's own */
	readonly runPaths: readonly string[];
}

interface SelfDeps {
	readonly engine: { plugins(): Promise<readonly EnginePlugin[]>; info(): Promise<EngineInfo> };
	/** see {@link findPluginId} */
	readonly pluginId: string | undefined;
	/** name of an unmanaged plugin: that of its socket */
	readonly fallbackName: string;
	/** data directory and run directory of an unmanaged plugin: it sees the host's own paths */
	readonly unmanagedPaths: readonly string[];
	readonly runMountName: string;
	/** the engine's socket, relative to the source of that mount */
	readonly engineSocket: string;
}

/** @returns a function that asks the engine once and remembers the answer */
export function createSelf(deps: SelfDeps): () => Promise<Self> {
	let known: Promise<Self> | undefined;
	return () => {
		known ??= learn(deps).catch((error: unknown) => {
			known = undefined;
			throw error;
		});
		return known;
	};
}

async function learn({ engine, pluginId, fallbackName, unmanagedPaths, runMountName, engineSocket }: SelfDeps): Promise<Self> {
	const { DockerRootDir: root } = await engine.info();
	const engineState = `${root}/plugins`;
	if (pluginId === undefined) return { name: fallbackName, protectedPaths: [...unmanagedPaths, engineState], dataRoot: root, runPaths: [] };
	const plugin = (await engine.plugins()).find((candidate) => candidate.Id === pluginId);
	if (!plugin) throw new BirthmarkError('engine-unavailable', 'the engine does not list this plugin among its own; try again');
	const run = plugin.Settings.Mounts?.find((mount) => mount.Name === runMountName);
	return {
		id: pluginId,
		name: plugin.Name,
		protectedPaths: [engineState, ...(run ? [`${run.Source}/birthmark`] : [])],
		dataRoot: root,
		// An engine with a run directory of its own keeps more than its socket there.
		runPaths: run ? [`${run.Source}/${engineSocket}`, ...(run.Source === '/run' || run.Source === '/var/run' ? [] : [run.Source])] : [],
	};
}

/**
 * The id of a managed plugin, from the place of its data directory in the engine's storage.
 *
 * @param mountinfo contents of /proc/self/mountinfo (proc_pid_mountinfo(5)); field 4 is the root of
 * the mount within its file system, field 5 the mount point
 */
export function findPluginId(mountinfo: string, dataDirectory: string): string | undefined {
	for (const line of mountinfo.split('\n')) {
		const [, , , root, mountPoint] = line.split(' ');
		if (mountPoint !== dataDirectory) continue;
		const id = /\/plugins\/([0-9a-f]{64})\//.exec(root ?? '')?.[1];
		if (id) return id;
	}
	return undefined;
}

/** True when the engine would take this volume driver name for us. */
export function namesUs(self: Self, driver: string): boolean {
	if (driver === '' || driver === 'local') return false;
	const familiar = familiarName(driver);
	if (familiar === self.name || familiar === familiarName(self.name)) return true;
	return self.id !== undefined && /^[0-9a-f]+$/.test(driver) && self.id.startsWith(driver);
}

/** What a user adds to `docker run` to mount an identity. */
export function mountOption(self: Self): string {
	return `--mount type=volume,volume-driver=${self.name.replace(/:latest$/, '')},dst=${IDENTITY_DIRECTORY}`;
}

/** The short form with its tag (distribution/reference FamiliarString after TagNameOnly). */
function familiarName(reference: string): string {
	const short = reference.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
	return /:[^/]*$/.test(short) || short.includes('@') ? short : `${short}:latest`;
}
