/** `serve`: opens the state, wires the parts, listens, and looks after what has to be renewed. */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { systemClock, type Clock } from '#common/runtime/clock.ts';
import { listenTcp, listenUnix } from '#common/runtime/listen.ts';
import type { Logger } from '#common/runtime/log.ts';
import { repeat } from '#common/runtime/repeat.ts';
import { readCaConfig, type CaConfig } from './config.ts';
import { createRefusals } from './audit/refusals.ts';
import { startSealer } from './audit/sealer.ts';
import { createDefence } from './defence/defence.ts';
import { closeGracefully, createAdminServer, createPublicServer, createTlsServer, replaceCredentials } from './http/server.ts';
import { stapleTo } from './http/stapling.ts';
import type { TrustState } from './issuance/authorities.ts';
import { authorityProfile } from './issuance/authority-profile.ts';
import { parseExternalAddress } from './issuance/external-address.ts';
import { readExternalFiles } from './issuance/external-files.ts';
import { withExternalRoots } from './issuance/external-trust.ts';
import { createRotation } from './issuance/rotate.ts';
import { createMetrics } from './metrics/metrics.ts';
import { openState, requireState } from './open-state.ts';
import { createRenewalDemands } from './registration/renewal-demands.ts';
import { planReload, type Reloadable } from './reload.ts';
import type { ServerCertificate } from './server-certificate.ts';
import { requireOwnFolders, statePaths } from './state-folder.ts';
import { holdLock } from './store/lock.ts';
import { SYSTEM } from './store/records.ts';
import { traceStore } from './tracing/traced-store.ts';
import { startTracing } from './tracing/tracing.ts';
import { createUpkeep } from './upkeep.ts';
import { wire, type Wiring } from './wiring.ts';

const UPKEEP_MS = 5000;
/** How long another instance may go on issuing under keys that were changed; the store refuses what comes later than the change. */
const FOLLOW_MS = 1000;

export interface ServeDeps {
	readonly state: string;
	readonly config: CaConfig;
	/** environment variables: where the key-encryption key may be */
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly logger: Logger;
	readonly clock?: Clock;
	readonly random?: (bytes: number) => Uint8Array;
}

export interface RunningCa {
	readonly address: AddressInfo;
	readonly adminSocket: string;
	/** of the public listener, when there is one */
	readonly publicAddress?: AddressInfo;
	/** of the listener for metrics, when there is one */
	readonly metricsAddress?: AddressInfo;
	/** the trust bundle as it is now, PEM */
	readonly bundle: Buffer;
	/** Does what is due now: server certificate, revocation list, old tokens. */
	lookAfter(): Promise<void>;
	/**
	 * Takes over what can be taken over, without closing a connection, and says what cannot.
	 *
	 * @throws BirthmarkError `config-invalid` when a file that the configuration names cannot be used; then all is as before
	 */
	reload(config: CaConfig): Promise<Reloadable>;
	close(): Promise<void>;
}

/** @throws BirthmarkError `ca-missing`, `config-invalid` */
export async function loadConfig(state: string, env: Readonly<Record<string, string | undefined>>): Promise<CaConfig> {
	const { config: path } = statePaths(state);
	try {
		return readCaConfig(await readFile(path, 'utf8'), env);
	} catch (cause) {
		if (cause instanceof BirthmarkError) throw cause;
		// One more instance of a CA on a database server may have all of its configuration in the environment.
		const config = isMissing(cause) ? readCaConfig('{}', env) : undefined;
		if (config && config.database.url !== null) return config;
		throw new BirthmarkError('ca-missing', `${path} cannot be read: there is no CA here, or its configuration is lost`, { cause });
	}
}

/**
 * Resolves when the CA answers.
 *
 * @throws BirthmarkError `ca-missing`, `ca-exists` (another process serves this folder), `config-invalid`
 */
export async function serveCa({ state, config, env, logger, clock = systemClock, random = randomBytes }: ServeDeps): Promise<RunningCa> {
	const { adminSocket, lock: lockFile } = statePaths(state);
	const external = config.externalCa === null ? undefined : parseExternalAddress(config.externalCa);
	const externalRoots = external && (await readExternalFiles(external)).roots;
	await requireState({ state, config });
	await requireOwnFolders(state);
	// What was opened is closed in the reverse order: at the end, or here when something fails.
	await using opened = new AsyncDisposableStack();
	const tracing = startTracing({ env, logger, clock });
	opened.defer(() => tracing?.stop());
	const lock = holdLock(lockFile);
	opened.defer(() => lock.release());
	const { store: untraced, authorities: own, vault } = await openState({ state, config, env, clock });
	opened.defer(() => untraced.close());
	const authorities = externalRoots === undefined ? own : withExternalRoots(own, externalRoots);
	const store = tracing ? traceStore(untraced, tracing.tracer) : untraced;
	const sealer = startSealer({ store, logger });
	opened.defer(() => sealer.stop().catch((error: unknown) => logger.error('the audit log could not be sealed', { error })));
	const refusals = createRefusals({ store, clock, logger });
	opened.defer(() => refusals.tellLeftOut(true));
	// Both are asked for the first time when a request comes.
	const defence = createDefence({ settings: () => wiring.config.blackhole, refusals, logger });
	const metrics = createMetrics({ store, lists: { current: () => wiring.lists.current() }, blackhole: defence.blackhole, clock, logger });
	const rotation = createRotation({
		store,
		authorities,
		vault,
		clock,
		random,
		trustDomain: config.trustDomain,
		get backdateSeconds() {
			return wiring.config.backdateSeconds;
		},
		get profile() {
			return authorityProfile(wiring.config);
		},
		get settleSeconds() {
			return wiring.config.rotation.settleSeconds;
		},
		logger,
		follow: () => follow(),
	});
	const renewalDemands = createRenewalDemands({ store, clock });
	const wiringDeps = { store, authorities, rotation, renewalDemands, external, sealer, refusals, defence, metrics, tracing, clock, random, logger };
	let wiring = await wire(config, wiringDeps);

	let trust = authorities.current();
	const clientTrust = () => Buffer.from([trust.bundle, ...trust.all.map(({ chainPem }) => chainPem), wiring.cfsslClients.trust].join(''));
	let credentials = await wiring.makeServerCertificate();
	const by = (name: keyof Wiring['listeners']): RequestListener => (request, response) => wiring.listeners[name](request, response);
	const limits = () => wiring.config.limits;
	const server = createTlsServer(by('tls'), credentials, clientTrust(), limits);
	stapleTo(server, { ocsp: { staple: (serial) => wiring.ocsp.staple(serial) }, clock, logger });
	const admin = createAdminServer(by('admin'));
	const publicServer = createPublicServer(by('public'), limits);
	const metricsServer = createPublicServer(by('metrics'), limits);
	opened.defer(async () => void await Promise.all([server, admin, publicServer, metricsServer].filter(({ listening }) => listening).map(closeGracefully)));
	// First of all, so that no server waits for those who wait for a demand.
	opened.defer(() => renewalDemands.close());

	// One change after the other: what began with an older wiring must not end after a newer one.
	let turn: Promise<unknown> = Promise.resolve();
	const inTurn = <Result>(change: () => Promise<Result>): Promise<Result> => {
		const changed = turn.then(change);
		turn = changed.catch(() => undefined);
		return changed;
	};
	const take = (next: Wiring, current: TrustState, made: ServerCertificate): void => {
		wiring = next;
		trust = current;
		credentials = made;
		replaceCredentials(server, credentials, clientTrust());
		logger.info('server certificate replaced');
	};
	/** Takes over what this or another instance has changed in the CA's keys, and replaces the server certificate when it is due. */
	const follow = () => inTurn(async () => {
		await authorities.refresh();
		const current = authorities.current();
		const now = clock.now();
		if (trust !== current || credentials.renewAt <= now || now < credentials.notBefore) take(wiring, current, await wiring.makeServerCertificate());
	});
	const reload = (given: CaConfig) => inTurn(async () => {
		const plan = planReload(wiring.config, given);
		const { changed, bound } = plan;
		// The files of client CAs are read anew in any case: one that was taken out of them is not to count any longer.
		if (changed.length > 0 || plan.config.cfssl.clients.some(({ clientCaFile }) => clientCaFile !== null)) {
			const next = await wire(plan.config, wiringDeps);
			const current = authorities.current();
			const made = await next.makeServerCertificate();
			await store.addEvent(SYSTEM, { at: clock.now(), action: 'configuration.reload', outcome: 'done', details: { changed } });
			take(next, current, made);
		}
		logger.info('configuration reloaded', { count: changed.length, ...(changed.length > 0 && { settings: changed.join(', ') }) });
		if (bound.length > 0) logger.warn('settings that want a restart have changed', { settings: bound.join(', ') });
		return plan;
	});
	const lookAfter = createUpkeep({ store, refusals, rotation, lists: { refresh: () => wiring.lists.refresh() }, follow, expiredDays: () => wiring.config.retention.expiredDays, clock });
	const address = await listen(server, config.listen);
	const publicAddress = await listenIfAsked(publicServer, config.publicHttp);
	const metricsAddress = await listenIfAsked(metricsServer, config.metrics);
	await listenUnix(admin, adminSocket, 0o600);
	const repetitions = [
		repeat(UPKEEP_MS, lookAfter, (error) => logger.error('looking after the CA failed', { error })),
		repeat(FOLLOW_MS, follow, (error) => logger.error('a change of the CA\'s keys could not be followed', { error })),
	];
	opened.defer(async () => void await Promise.all(repetitions.map((repetition) => repetition.stop())));

	logger.info('ready', { address: `${address.address}:${address.port}`, path: adminSocket, digest: trust.digest.toString('hex') });
	const running = opened.move();
	return {
		address,
		adminSocket,
		...(publicAddress && { publicAddress }),
		...(metricsAddress && { metricsAddress }),
		get bundle() {
			return authorities.current().bundle;
		},
		lookAfter,
		reload,
		close: () => running.disposeAsync(),
	};
}

function isMissing(error: unknown): boolean {
	return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

async function listen(server: Server, { host, port }: Pick<CaConfig['listen'], 'host' | 'port'>): Promise<AddressInfo> {
	try {
		return await listenTcp(server, port, host);
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `the CA cannot listen on ${host} port ${port} (${(cause as Error).message}): free the address or configure another`, { cause });
	}
}

async function listenIfAsked(server: Server, { host, port }: CaConfig['metrics']): Promise<AddressInfo | undefined> {
	return port === null ? undefined : listen(server, { host, port });
}
