/** The engine plugin: authorization and volume driver in one process. Only wires. */

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { loadCedar, type Cedar } from '#common/policy/cedar.ts';
import { createPolicy } from '#common/policy/policy.ts';
import { SENTINEL_VOLUME } from '#common/protocol/plugin-status.ts';
import { PERMIT_FILE } from '#common/protocol/plugin-upgrade.ts';
import { hostAndPort } from '#common/protocol/ca-urls.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { createFailOver } from '#common/runtime/fail-over.ts';
import { createLogger } from '#common/runtime/log.ts';
import { onShutdown } from '#common/runtime/shutdown.ts';
import { createMakers } from './authz/attach.ts';
import { authorizeRequest, authorizeResponse } from './authz/authorizer.ts';
import type { EngineCall } from './authz/engine-call.ts';
import { followEngineRuntimes } from './authz/engine-runtimes.ts';
import { createContainerLookup } from './authz/container-lookup.ts';
import { createHostZones } from './authz/host-zones.ts';
import { createOwnCalls } from './authz/own-calls.ts';
import { isPermitted } from './authz/permit.ts';
import { createRemembered } from './authz/remembered.ts';
import type { AuthorizerDeps } from './authz/rule.ts';
import { runtimePaths } from './authz/runtimes.ts';
import { passesRequest, passesResponse } from './authz/unconcerned.ts';
import { createCaClient } from './ca-client.ts';
import { readConfig, type PluginConfig } from './config.ts';
import { createEngine } from './docker.ts';
import { startEnforcement } from './enforcement.ts';
import { runGuard, type SharedDeps } from './guard/guard.ts';
import { createPlaces } from './hook/places.ts';
import { createHookServer, HOOK_SOCKET } from './hook/server.ts';
import { listenForScrapers } from './metrics/listener.ts';
import { createPluginMetrics } from './metrics/plugin-metrics.ts';
import { startMembership } from './membership.ts';
import { createNodeIdentityStore } from './node-identity.ts';
import { startOutbox } from './outbox.ts';
import { createJudge } from './policy/judge.ts';
import { createPolicyFile } from './policy/policy-file.ts';
import { openRecords } from './records.ts';
import { createSelf, findPluginId } from './self.ts';
import { createPluginServer } from './server.ts';
import { pluginStatus } from './status.ts';
import { bindTask } from './swarm/task-birth.ts';
import { startSweep } from './sweep.ts';
import { createIdMapping } from './users/id-mapping.ts';
import { createImageFiles } from './users/image-files.ts';
import { createImageUsers } from './users/image-users.ts';
import { createVolumeDriver } from './volume/driver.ts';
import { IdentityVolumes } from './volume/identity-volumes.ts';
import { awaitEngine, mayStartAgain, NOT_PROPAGATED, placeForContainers, reachesContainers, watchPropagation } from './volume/propagation.ts';
import { createKeepers } from './volume/keepers.ts';
import { openRelay } from './volume/relay.ts';
import { createRelayPool } from './volume/relay-pool.ts';
import { watchRenewalDemands } from './volume/renewal-demands.ts';
import { startRevocationLists } from './volume/revocation-lists.ts';
import { openTmpfs } from './volume/tmpfs.ts';
import { createContainersOf } from './volume/who-starts.ts';

/** name of the mount in config.json that brings the engine's socket */
const RUN_MOUNT = 'run';
/** With the host's processes in sight (config.json, pidhost), the shim that started the plugin shows the host's root. */
const SHIM_ROOT = `/proc/${process.ppid}/root`;
const EXIT_CONFIG = 78; // sysexits.h EX_CONFIG

const config = configOrExit();
const logger = createLogger('plugin', config.LOG_LEVEL);
// Node would write plain text between the lines of the log, about node:ffi for one.
process.removeAllListeners('warning').on('warning', (warning) => logger.debug('the runtime warns', { error: warning }));
const clock = systemClock;
const stateDirectory = join(config.DATA_DIRECTORY, 'state');
const pluginId = findPluginId(readFileSync('/proc/self/mountinfo', 'utf8'), config.DATA_DIRECTORY);

/** An unmanaged plugin runs on the host itself. */
const hostRoot = pluginId === undefined ? '' : SHIM_ROOT;

const nodeIdentity = createNodeIdentityStore(stateDirectory);
const records = openRecords(join(stateDirectory, 'records.db'));
records.abandonBirths();
// Made anew by each process: the engine counts the volumes of a driver that it creates, and those that it finds
// when it starts, but not one that it only hears of, e.g. after a start with the plugin disabled.
if (config.GUARD_OF === undefined) records.removeVolume(SENTINEL_VOLUME);
const ownCalls = createOwnCalls();
const engine = createEngine(join(config.RUN_DIRECTORY, config.ENGINE_SOCKET), ownCalls.headers);
/** Shared: the relay follows what the node's own calls found out. */
const instances = config.CA_URL && createFailOver(config.CA_URL);
const ca = createCaClient({ instances, credentials: nodeIdentity.current, clock });
const self = createSelf({
	engine,
	pluginId,
	fallbackName: basename(config.PLUGIN_SOCKET, '.sock'),
	unmanagedPaths: [config.DATA_DIRECTORY, join(config.RUN_DIRECTORY, 'birthmark')],
	runMountName: RUN_MOUNT,
	engineSocket: config.ENGINE_SOCKET,
});
const imageFiles = createImageFiles({ engine, logger });
let cedar: Promise<Cedar> | undefined;
const policyFile = createPolicyFile({
	path: config.POLICY_FILE,
	hostRoot,
	markerPath: join(stateDirectory, 'policy-file'),
	load: async (file) => createPolicy(await (cedar ??= loadCedar()), file),
	now: Date.now,
	logger,
});
const runtimes = followEngineRuntimes({ engine, logger });
/** What a stand-in judges by as well. */
const shared: SharedDeps = {
	engine,
	policy: createJudge({ file: policyFile }),
	environment: () => nodeIdentity.current()?.environment ?? '',
	ownCalls,
	isPermitted: (call) => isPermitted({ path: join(config.RUN_DIRECTORY, PERMIT_FILE), now: Date.now, uid: 0 }, call),
	lookup: createContainerLookup({ engine }),
	makers: createMakers(),
	imagesForRuntime: createRemembered(),
	withOurRuntime: createRemembered(),
	runtimes,
};
if (config.GUARD_OF !== undefined && pluginId !== undefined) {
	await runGuard({ shared, hostRoot, policyPath: config.POLICY_FILE, engineSocket: config.ENGINE_SOCKET, engine, ownCalls, records, guardOf: config.GUARD_OF, pluginId, runMountName: RUN_MOUNT, stateDirectory, socket: config.PLUGIN_SOCKET, logger });
}
const propagated = { directory: config.DATA_DIRECTORY, own: '/proc/self/mountinfo', shim: `/proc/${process.ppid}/mountinfo` };
const reaches = () => reachesContainers(propagated);
let isReached = pluginId === undefined || (await reaches());
if (!isReached && startsAgain()) {
	await awaitEngine(config.PLUGIN_SOCKET, logger);
	process.exit(1);
}
const tmpfs = await openTmpfs({
	hostDirectory: join(config.RUN_DIRECTORY, 'birthmark', pluginId?.slice(0, 12) ?? 'unmanaged'),
	volumesDirectory: join(config.DATA_DIRECTORY, 'volumes'),
	agentDirectory: config.AGENT_DIRECTORY,
	problem: () => (isReached ? undefined : NOT_PROPAGATED),
	logger,
});

const enforcement = startEnforcement({
	call: (nonce, deadlineMs) => engine.ping(ownCalls.proofHeaders(nonce), deadlineMs),
	onAnswer: (again) => {
		if (again) {
			shared.makers.forgetUnstarted();
			sweep.wake();
			imageFiles.cleanUp().catch((error: unknown) => logger.debug('what looked into images could not be cleaned away', { error }));
		}
		if (again || !records.hasVolume(SENTINEL_VOLUME)) void makeSentinel();
		void policyFile.refresh();
	},
	logger,
});
runtimes.whenReloaded(() => {
	enforcement.reloaded();
	shared.makers.forgetUnstarted();
});
const containersOf = createContainersOf(engine);
const relayPool = createRelayPool();
const volumes: IdentityVolumes = new IdentityVolumes({
	records,
	tmpfs,
	ca,
	revocationList: () => revocationLists.current(),
	trustBundle: () => nodeIdentity.current()?.bundle,
	openRelay: (directory) => openRelay({ targets: () => instances?.order().map(hostAndPort) ?? [], pool: relayPool, logger }, directory),
	keepers: createKeepers({ logger }),
	enforcement,
	containersOf,
	bindTask: (holder) => bindTask({ self, engine, containersOf, ca, records, policy: shared.policy, onEnded: () => outbox.wake(), logger }, holder),
	onEnded: () => outbox.wake(),
	caUrls: config.CA_URL ?? [],
	startGraceMs: config.START_GRACE_SECONDS * 1000,
	newStartId: () => randomBytes(16).toString('hex'),
	logger,
});
const revocationLists = startRevocationLists({ ca, isWanted: () => volumes.mountedCount() > 0, onChange: (text) => void volumes.writeRevocationList(text), logger });
const renewalDemands = watchRenewalDemands({ ca, isWanted: () => volumes.mountedCount() > 0, onDemand: (demand) => void volumes.demandRenewal(demand), logger });
const outbox = startOutbox({ records, ca, onDelivered: revocationLists.wake, logger });
const sweep = startSweep({ records, engine, volumes, now: () => performance.now(), logger });
const membership = startMembership({
	store: nodeIdentity,
	ca,
	instances,
	joinToken: config.JOIN_TOKEN,
	nodeName: async () => config.NODE_NAME ?? (await engine.info()).Name,
	onOtherCa: () => records.forgetAuthorizations(),
	clock,
	random: Math.random,
	logger,
});
if (!existsSync(`${hostRoot}/`)) logger.warn('the root of the host is not readable: symbolic links in binds are not followed', { path: hostRoot });
await volumes.restore();

const authorizer: AuthorizerDeps = {
	...shared,
	self,
	ca,
	records,
	ownerOf: createImageUsers(imageFiles),
	onHost: createIdMapping({ engine, hostRoot }),
	hostZones: createHostZones({ self, hostRoot, policyPath: config.POLICY_FILE, runtimePaths: async () => runtimePaths(await runtimes.known()) }),
	ourPlugins: async () => [await self()],
	onProof: enforcement.saw,
	onStartAsked: (containerId) => {
		enforcement.startAsked(containerId);
		if (enforcement.inChain() === true) volumes.expectStart(containerId);
	},
	onContainersRemoved: sweep.wake,
	forgetContainer: (volume, containerId) => volumes.forget(volume, containerId),
	onEnded: outbox.wake,
	logger,
};
const status = () => pluginStatus({ isSeen: () => pluginId === undefined || server.isSeen(), enforcement, nodeIdentity, ca, records, membership, policyFile, tmpfs });
const metrics = createPluginMetrics({ status, proofs: enforcement.counts, mounted: () => volumes.mountedCount(), now: () => clock.now(), monotonic: () => performance.now() });
const volumeDriver = createVolumeDriver({ records, volumes, path: tmpfs.path, status });
const passesCounted = metrics.passing('request', passesRequest);
const hook = createHookServer({
	records,
	volumes,
	placeForContainers: createPlaces({ place: () => (pluginId === undefined ? Promise.resolve(config.DATA_DIRECTORY) : placeForContainers(propagated)), directory: config.DATA_DIRECTORY, hostRoot, path: tmpfs.path }),
	logger,
});
// Before the engine sees that the plugin is there: the first containers may be waiting.
await hook.listen(join(config.RUN_DIRECTORY, HOOK_SOCKET));
const server = createPluginServer({
	passes: { request: (message) => (enforcement.asked(), passesCounted(message)), response: metrics.passing('response', passesResponse) },
	authorizeRequest: metrics.judging('request', (call: EngineCall) => authorizeRequest(authorizer, call)),
	authorizeResponse: metrics.judging('response', (call: EngineCall) => authorizeResponse(authorizer, call)),
	volumeDriver: { ...volumeDriver, 'VolumeDriver.Mount': metrics.mounting(volumeDriver['VolumeDriver.Mount']!) },
	logger,
});
mkdirSync(dirname(config.PLUGIN_SOCKET), { recursive: true });
await server.listen(config.PLUGIN_SOCKET);
const scraped = config.METRICS_ADDRESS && (await listenForScrapers(config.METRICS_ADDRESS, metrics.text, logger));
logger.info('ready', { path: config.PLUGIN_SOCKET, address: config.CA_URL?.join(',') ?? 'none' });

const propagation = watchPropagation({
	reaches: async () => pluginId === undefined || !isReached || (isReached = await reaches()),
	seen: server.seen,
	onLost: () => {
		if (startsAgain()) process.kill(process.pid, 'SIGTERM');
	},
});

onShutdown(logger, async () => {
	for (const part of [runtimes, propagation, enforcement, membership, sweep, outbox, revocationLists, renewalDemands]) part.close();
	scraped?.closeAllConnections();
	scraped?.close();
	await hook.close();
	await volumes.close();
	await server.close();
	ca.close();
	records.close();
});

/** Tried again with the next proof: the engine does not know the driver before it has enabled the plugin. */
async function makeSentinel(): Promise<void> {
	try {
		await engine.createVolume(SENTINEL_VOLUME, (await self()).name);
	} catch (error) {
		logger.debug('the sentinel volume could not be made yet', { volume: SENTINEL_VOLUME, error });
	}
}

/** The engine starts a plugin again that ends, and sets up its mounts anew. */
function startsAgain(): boolean {
	const again = mayStartAgain(join(stateDirectory, 'propagation'), Date.now());
	logger.error(again ? 'what the plugin mounts does not reach containers; starting again' : NOT_PROPAGATED, { code: 'mount-failed' });
	return again;
}

function configOrExit(): PluginConfig {
	try {
		return readConfig(process.env);
	} catch (error) {
		createLogger('plugin').error('the plugin cannot start', { error });
		process.exit(EXIT_CONFIG);
	}
}
