/** An engine beside that of the other stories, with a plugin of its own, for stories that need another CA. */

import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import tmp from 'tmp';
import { startBirthmark } from '../../hook/environment.ts';
import { buildImages, dockerCommand, type OwnImage } from '../../scripts/images.ts';
import { BUILD, enginePaths, type EnginePaths } from '../../scripts/paths.ts';
import { PLUGIN } from '../../scripts/plugin.ts';
import { removeEngine, startEngine, type StartOptions } from '../../scripts/private-engine.ts';
import { writeTestPolicy } from '../../scripts/test-engine.ts';
import { Steps } from '../../scripts/steps.ts';
import { buildTestImages, type TestImage } from '../../scripts/test-images.ts';
import { openWorld, type World } from './world.ts';

export interface SecondEngineOptions {
	/** one address, or several separated by commas */
	readonly caUrl: string;
	readonly joinToken: string;
	/** of a CA on this machine */
	readonly adminSocket: string;
	/** `test/busybox` alone when absent */
	readonly images?: EngineImages;
	/** called before it starts: how it is to be started */
	readonly prepare?: PrepareEngine;
}

type PrepareEngine = (paths: EnginePaths) => Promise<StartOptions>;

/** What a story runs on it: images are most of the time that an engine needs to be there. */
export interface EngineImages {
	readonly own?: readonly OwnImage[];
	readonly test?: readonly TestImage[];
}

/** Images and plugin are on it, as after `make load`; nothing is set up. */
export interface BareEngine {
	readonly paths: EnginePaths;
	readonly engineVersion: string;
}

/** Starts one with images and the plugin that `make` has laid out, and removes it after the test. */
export async function startBareEngine(t: ExecutionContext, { own = [], test = [] }: EngineImages, prepare: PrepareEngine = async () => ({})): Promise<BareEngine> {
	const state = tmp.dirSync({ prefix: 'birthmark-second-', unsafeCleanup: true });
	const paths = enginePaths(state.name);
	const steps = new Steps(join(BUILD, 'logs/second-engine.log'));
	t.teardown(() => removeEngine(steps, paths));
	await startEngine(steps, paths, await prepare(paths));
	const docker = dockerCommand(steps, paths.host);
	if (own.length > 0) await buildImages(steps, docker, join(BUILD, 'root-fs/base'), own);
	if (test.length > 0) await buildTestImages(steps, docker, test);
	await docker(['plugin', 'create', PLUGIN, join(BUILD, 'plugin')]);
	const engineVersion = (await docker(['version', '--format', '{{.Server.Version}}'])).stdout.trim();
	return { paths, engineVersion };
}

/** The same, set up with a CA of the test's. */
export async function startSecondEngine(t: ExecutionContext, { caUrl, joinToken, adminSocket, images = { test: ['busybox'] }, prepare }: SecondEngineOptions): Promise<World> {
	const { paths, engineVersion } = await startBareEngine(t, images, prepare);
	await startBirthmark({ host: paths.host, ca: { url: caUrl, joinToken }, policyFile: writeTestPolicy(paths), logLevel: 'debug' });
	return openWorld({ engineVersion, host: paths.host, state: paths.state, caUrl, caContainer: '', plugin: PLUGIN, adminSocket });
}
