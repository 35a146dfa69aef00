/**
 * The stand-in: this plugin under a second name, with GUARD_OF set, in the authorization chain while
 * the first one is replaced (docs/adr/0026). It judges as that one does, by its records and about its
 * paths and names. It has no CA, so it gives no identities: labelled containers are refused meanwhile.
 */

import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { guardSentinel, type GuardStatus } from '#common/protocol/plugin-upgrade.ts';
import { VERSION } from '#common/protocol/version.ts';
import type { Logger } from '#common/runtime/log.ts';
import { onShutdown } from '#common/runtime/shutdown.ts';
import { authorizeRequest, authorizeResponse } from '../authz/authorizer.ts';
import { createHostZones } from '../authz/host-zones.ts';
import type { OwnCalls } from '../authz/own-calls.ts';
import type { AuthorizerDeps } from '../authz/rule.ts';
import { runtimePaths } from '../authz/runtimes.ts';
import { passesRequest, passesResponse } from '../authz/unconcerned.ts';
import type { Engine } from '../docker.ts';
import { startEnforcement } from '../enforcement.ts';
import type { Records } from '../records.ts';
import { createSelf, type Self } from '../self.ts';
import { createPluginServer } from '../server.ts';
import { createGuardDriver } from './guard-driver.ts';
import { createRecordsCopy, type RecordsCopy } from './records-copy.ts';

/** What both have in common is made for both. */
export type SharedDeps = Omit<AuthorizerDeps, 'self' | 'hostZones' | 'ourPlugins' | 'ca' | 'ownerOf' | 'onHost' | 'records' | 'onProof' | 'onStartAsked' | 'onContainersRemoved' | 'forgetContainer' | 'onEnded' | 'logger'>;

export interface GuardDeps {
	readonly shared: SharedDeps;
	/** where the host's file system is seen */
	readonly hostRoot: string;
	readonly policyPath: string;
	/** relative to the mount of the run directory */
	readonly engineSocket: string;
	readonly engine: Engine;
	readonly ownCalls: OwnCalls;
	/** id of the plugin that it stands in for */
	readonly guardOf: string;
	/** its own */
	readonly pluginId: string;
	/** its own */
	readonly records: Records;
	readonly runMountName: string;
	readonly stateDirectory: string;
	readonly socket: string;
	readonly logger: Logger;
}

/** Runs until the process is told to stop. */
export async function runGuard(deps: GuardDeps): Promise<void> {
	const { engine, ownCalls, logger } = deps;
	const naming = { engine, fallbackName: '', unmanagedPaths: [], runMountName: deps.runMountName, engineSocket: deps.engineSocket };
	const main = createSelf({ ...naming, pluginId: deps.guardOf });
	const guard = createSelf({ ...naming, pluginId: deps.pluginId });
	const own = deps.records;
	let copy: RecordsCopy | undefined;
	let sentinel = '';
	let recordsProblem = 'not read yet';

	/** The engine knows where the other one keeps its records, and answers before it asks anything. */
	async function prepare(): Promise<Self> {
		const self = await main();
		const { DockerRootDir } = await engine.info();
		const source = `${deps.hostRoot}${DockerRootDir}/plugins/${deps.guardOf}/propagated-mount/state/records.db`;
		copy ??= createRecordsCopy({ source, directory: join(deps.stateDirectory, 'copy'), now: Date.now });
		sentinel = guardSentinel(self.name);
		return self;
	}
	const current = (): Records => {
		if (!copy) throw new BirthmarkError('engine-unavailable', 'the stand-in of the plugin is not ready yet; try again');
		return copy.current();
	};
	const upgrading = (): never => {
		throw new BirthmarkError('upgrade-running', 'the birthmark plugin of this host is being replaced by another version; try again in a minute');
	};

	const enforcement = startEnforcement({
		call: (nonce, deadlineMs) => engine.ping(ownCalls.proofHeaders(nonce), deadlineMs),
		onAnswer: () => void beReady(),
		logger,
	});
	async function beReady(): Promise<void> {
		try {
			await prepare();
			current();
			recordsProblem = 'ok';
			if (!own.hasVolume(sentinel)) await engine.createVolume(sentinel, (await guard()).name);
		} catch (error) {
			if (recordsProblem === 'ok' || copy) recordsProblem = error instanceof Error ? error.message : String(error);
			logger.debug('the stand-in is not ready yet', { error });
		}
	}

	const authorizer: AuthorizerDeps = {
		...deps.shared,
		self: prepare,
		hostZones: createHostZones({ self: main, hostRoot: deps.hostRoot, policyPath: deps.policyPath, runtimePaths: async () => runtimePaths(await deps.shared.runtimes.known()) }),
		ourPlugins: () => Promise.all([main(), guard()]),
		ca: { authorize: async () => upgrading() },
		ownerOf: async () => upgrading(),
		onHost: async () => upgrading(),
		records: {
			hasVolume: (name) => current().hasVolume(name),
			identitiesOf: (name) => current().identitiesOf(name),
			identityOfContainer: (id) => current().identityOfContainer(id),
			services: { add: upgrading },
			beginBirth: upgrading,
			abandonBirth: upgrading,
			addIdentity: upgrading,
		},
		onProof: enforcement.saw,
		onStartAsked: () => undefined,
		onContainersRemoved: () => undefined,
		// The other one compares its records with the engine's list when it is back.
		forgetContainer: async () => undefined,
		onEnded: () => undefined,
		logger,
	};
	const status = (): GuardStatus => ({ version: VERSION, guardOf: deps.guardOf, inChain: enforcement.inChain(), records: recordsProblem });
	const server = createPluginServer({
		passes: { request: passesRequest, response: passesResponse },
		authorizeRequest: (call) => authorizeRequest(authorizer, call),
		authorizeResponse: (call) => authorizeResponse(authorizer, call),
		volumeDriver: createGuardDriver({ records: own, sentinel: () => sentinel, status }),
		logger,
	});
	mkdirSync(dirname(deps.socket), { recursive: true });
	await server.listen(deps.socket);
	logger.info('ready, as a stand-in', { path: deps.socket });

	await new Promise<void>(() => {
		onShutdown(logger, async () => {
			enforcement.close();
			await server.close();
			copy?.close();
			own.close();
		});
	});
}
