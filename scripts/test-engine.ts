/** An engine with CA and plugin, set up for one run of tests or benchmarks and removed whatever happens. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tmp from 'tmp';
import { buildAll } from './build.ts';
import { buildRootFileSystem } from './root-fs.ts';
import { buildImages, dockerCommand, type Docker } from './images.ts';
import { installRuntime } from './engine-runtime.ts';
import { enginePaths, type EnginePaths } from './paths.ts';
import { createPlugin, layOutPlugin, PLUGIN } from './plugin.ts';
import { freePort } from './ports.ts';
import { reloadEngine, removeEngine, startEngine, writeDaemonJson } from './private-engine.ts';
import { CA_CONTAINER, CA_VOLUME, enablePlugin, makeToken, startCa, waitUntilEnforced } from './set-up.ts';
import type { Steps } from './steps.ts';
import { buildTestImages } from './test-images.ts';

export interface TestEngine {
	readonly paths: EnginePaths;
	readonly docker: Docker;
	readonly caUrl: string;
	/** what it says of itself, `26.1.5+dfsg1` */
	readonly engineVersion: string;
}

/** What ends a run before its time. */
export const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Stories enter containers of the role `web-api`; those about refusals use `web`, with other images than the demo's. Names are left to the CA's allow list. */
const TEST_POLICY = `@id("test-run")
permit (principal, action == Action::"run", resource);

@id("test-enter-web-api")
permit (principal, action in [Action::"exec", Action::"attach"], resource) when { resource.ou == "web-api" };

@id("test-look-into-demo")
permit (principal, action == Action::"exec", resource) when { resource.image.repository == "birthmark/demo" };

@id("test-copy")
permit (principal, action == Action::"copy", resource) when { resource.cn like "apicopied*" };
`;

/** @returns the file, to which stories may add (test/support/policy.ts) */
export function writeTestPolicy(paths: EnginePaths): string {
	const path = join(paths.state, 'policy.cedar');
	writeFileSync(path, TEST_POLICY, { mode: 0o644 });
	return path;
}

/** So short that it can be waited for, so long that a container starts within it on a loaded machine. */
const TOKEN_TTL_SECONDS = 20;

export interface TestEngineOptions {
	readonly tokenTtlSeconds?: number;
	/** by {@link prepareTests}: several engines are set up side by side from what is built once */
	readonly isBuilt?: boolean;
}

/** @param use gets the engine ready; when it returns or throws the engine is removed */
export async function withTestEngine<T>(steps: Steps, use: (engine: TestEngine) => Promise<T>, { tokenTtlSeconds = TOKEN_TTL_SECONDS, isBuilt = false }: TestEngineOptions = {}): Promise<T> {
	const state = tmp.dirSync({ prefix: 'birthmark-test-', unsafeCleanup: true });
	const paths = enginePaths(state.name);
	let removed: Promise<void> | undefined;
	const remove = (): Promise<void> => (removed ??= removeEngine(steps, paths));
	const end = (): void => {
		// Once: an interrupted terminal tells everybody, and then whoever started us does too.
		for (const signal of SIGNALS) process.off(signal, end).on(signal, () => {});
		void remove().finally(() => process.exit(1));
	};
	for (const signal of SIGNALS) process.on(signal, end);
	try {
		const rootFileSystem = isBuilt ? await buildRootFileSystem(steps) : await buildAll(steps);
		const docker = dockerCommand(steps, paths.host);
		await steps.step('Starting an engine of its own', async () => startEngine(steps, paths, { settings: await installRuntime(paths) }));
		await steps.step('Building the images', async () => {
			await buildImages(steps, docker, rootFileSystem);
			await buildTestImages(steps, docker);
		});
		await steps.step('Packaging the plugin', () => createPlugin(docker, layOutPlugin(rootFileSystem), paths.state));
		const caUrl = await steps.step('Starting CA and plugin', () => setUp(docker, paths, tokenTtlSeconds));
		const engineVersion = (await docker(['version', '--format', '{{.Server.Version}}'])).stdout.trim();
		return await use({ paths, docker, caUrl, engineVersion });
	} finally {
		await steps.step('Removing the engine', remove);
		// Whatever engine comes next has to be removed before the process ends.
		for (const signal of SIGNALS) process.off(signal, end);
	}
}

async function setUp(docker: Docker, paths: EnginePaths, tokenTtlSeconds: number): Promise<string> {
	// Elsewhere with user namespaces.
	const dataRoot = (await docker(['info', '--format', '{{.DockerRootDir}}'])).stdout.trim();
	if (dataRoot !== paths.data) await installRuntime(paths, { dataRoot });
	const settings = { BIRTHMARK_CA_TRUST_DOMAIN: 'test.internal', BIRTHMARK_CA_ENVIRONMENT: 'test', BIRTHMARK_CA_TOKEN_TTL_SECONDS: String(tokenTtlSeconds) };
	const caUrl = await startCa(docker, { container: CA_CONTAINER, volume: CA_VOLUME, port: await freePort(), settings });
	const joinToken = await makeToken(docker, CA_CONTAINER, ['node', 'token', '--name', 'test-host', '--allow', 'api*/web-api', '--allow', 'web*/web']);
	const policyFile = writeTestPolicy(paths);
	await enablePlugin(paths.host, { name: PLUGIN, caUrl, joinToken, run: paths.run, socket: 'docker.sock', logLevel: 'debug', policyFile });
	writeDaemonJson(paths, [PLUGIN]);
	reloadEngine(paths);
	await waitUntilEnforced(paths.host);
	return caUrl;
}
