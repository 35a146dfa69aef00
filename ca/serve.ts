/** `serve`: opens the state, wires the parts, listens, and looks after what has to be renewed. */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo, Server } from 'node:net';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { systemClock, type Clock } from '#common/runtime/clock.ts';
import { listenTcp, listenUnix } from '#common/runtime/listen.ts';
import type { Logger } from '#common/runtime/log.ts';
import { readCaConfig, type CaConfig } from './config.ts';
import { createRefusals } from './audit/refusals.ts';
import { startSealer } from './audit/sealer.ts';
import { createDefence } from './defence/defence.ts';
import { createApp } from './http/app.ts';
import { authenticateByCertificate, authenticateLocally, authenticateNobody } from './http/authenticate.ts';
import { scrapeRoute } from './http/metrics.ts';
import { createRoutes } from './http/routes.ts';
import { closeGracefully, createAdminServer, createPublicServer, createTlsServer, replaceCredentials } from './http/server.ts';
import { stapleTo } from './http/stapling.ts';
import { parseExternalAddress } from './issuance/external-address.ts';
import { createExternalIssue } from './issuance/external-ca.ts';
import { readExternalFiles } from './issuance/external-files.ts';
import { withExternalRoots } from './issuance/external-trust.ts';
import { createIssue } from './issuance/issue.ts';
import { createProfiles } from './issuance/profiles.ts';
import { createMetrics } from './metrics/metrics.ts';
import { openCfsslClients } from './registration/cfssl-clients.ts';
import { openRevocation } from './revocation/open.ts';
import { createPlacement } from './revocation/placement.ts';
import { makeServerCertificate } from './server-certificate.ts';
import { openState, requireState } from './open-state.ts';
import { statePaths } from './state-folder.ts';
import { watchClock } from './steady-clock.ts';
import { holdLock } from './store/lock.ts';
import type { Store } from './store/store.ts';

/** Clocks jump and machines sleep: what is due is found by looking, not by one long timer. */
const LOOK_AFTER_MS = 5000;
/** Tokens are kept this long after their end, so that whoever comes late is told what happened. */
const DAY_MS = 24 * 3600 * 1000;
const TOKEN_MEMORY_MS = DAY_MS;
/** How much is forgotten in one transaction, and how many of them at one time: 100 000 a minute. */
const PORTION = 500;
const MAX_PORTIONS = 200;
const FORGET_EVERY_MS = 60_000;

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
	const cfsslClients = openCfsslClients(config.cfssl.clients);
	const { trustDomain, environment, backdateSeconds } = config;
	const domain = { trustDomain, environment, profiles: createProfiles(config.profiles) };
	await requireState({ state, config });
	const lock = holdLock(lockFile);
	const { store, authorities: own } = await openState({ state, config, env, clock }).catch((error: unknown) => {
		lock.release();
		throw error;
	});
	const authorities = externalRoots === undefined ? own : withExternalRoots(own, externalRoots);
	const place = createPlacement({ store, clock, url: config.publicHttp.url, partitionSize: config.crl.partitionSize });
	const issueHere = createIssue({ authorities, clock, random, backdateSeconds, place });
	const issue = external ? createExternalIssue({ address: external, issue: issueHere, clock, logger }) : issueHere;
	const { lists, ocsp } = await openRevocation({ ...config, store, authorities, clock, random });

	const sealer = startSealer({ store, logger });

	const defence = createDefence({ settings: () => config.blackhole, store, clock, logger });
	const metrics = createMetrics({ store, lists, blackhole: defence.blackhole, clock, logger });
	const routes = createRoutes({ ...config, cfsslClients, store, issue, clock, random, domain, authorities, lists, ocsp, cacheSeconds: config.ocsp.cacheSeconds, sealer, metrics, logger });
	const serverDeps = { store, issue, domain, authorities, names: config.listen.names };
	let trust = authorities.current();
	const clientTrust = () => Buffer.from([trust.bundle, ...trust.all.map(({ chainPem }) => chainPem), cfsslClients.trust].join(''));
	let credentials = await makeServerCertificate(serverDeps);
	const appDeps = { defence, refusals: createRefusals({ store, clock, logger }), logger, observe: metrics.observe };
	const server = createTlsServer(createApp({ ...appDeps, routes, authenticate: authenticateByCertificate({ store, clock, cfsslClients }) }), credentials, clientTrust(), () => config.limits);
	stapleTo(server, { ocsp, clock, logger });
	const admin = createAdminServer(createApp({ ...appDeps, routes, authenticate: authenticateLocally }));
	const publicRoutes = routes.filter((route) => route.isPublic);
	const publicServer = createPublicServer(createApp({ ...appDeps, routes: publicRoutes, authenticate: authenticateNobody }), () => config.limits);
	const metricsServer = createPublicServer(createApp({ ...appDeps, routes: [scrapeRoute({ metrics })], authenticate: authenticateNobody }), () => config.limits);
	const address = await listen(server, config.listen);
	const publicAddress = await listenIfAsked(publicServer, config.publicHttp);
	const metricsAddress = await listenIfAsked(metricsServer, config.metrics);
	await listenUnix(admin, adminSocket, 0o600);

	const isClockSteady = watchClock(clock);
	let forgottenAt = new Date(0);
	const lookAfter = async (): Promise<void> => {
		const now = clock.now();
		await authorities.refresh();
		if (trust !== authorities.current() || credentials.renewAt <= now || now < credentials.notBefore) {
			trust = authorities.current();
			credentials = await makeServerCertificate(serverDeps);
			replaceCredentials(server, credentials, clientTrust());
			logger.info('server certificate replaced');
		}
		await lists.refresh();
		await store.forgetTokens(new Date(now.getTime() - TOKEN_MEMORY_MS));
		await store.forgetTokenUses(new Date(now.getTime() - TOKEN_MEMORY_MS));
		if (isClockSteady() && Math.abs(now.getTime() - forgottenAt.getTime()) >= FORGET_EVERY_MS) {
			await forgetExpired(store, new Date(now.getTime() - config.retention.expiredDays * DAY_MS));
			forgottenAt = now;
		}
	};
	const timer = setInterval(() => {
		lookAfter().catch((error: unknown) => logger.error('looking after the CA failed', { error }));
	}, LOOK_AFTER_MS);

	logger.info('ready', { address: `${address.address}:${address.port}`, path: adminSocket, digest: trust.digest.toString('hex') });
	return {
		address,
		adminSocket,
		...(publicAddress && { publicAddress }),
		...(metricsAddress && { metricsAddress }),
		get bundle() {
			return authorities.current().bundle;
		},
		lookAfter,
		async close() {
			clearInterval(timer);
			await Promise.all([closeGracefully(server), closeGracefully(admin), ...[publicServer, metricsServer].filter(({ listening }) => listening).map(closeGracefully)]);
			await sealer.stop().catch((error: unknown) => logger.error('the audit log could not be sealed', { error }));
			await store.close();
			lock.release();
		},
	};
}

/** In portions, between which others get their turn. */
async function forgetExpired(store: Pick<Store, 'forgetExpired'>, before: Date): Promise<void> {
	for (let portion = 0; portion < MAX_PORTIONS; portion++) {
		if ((await store.forgetExpired(before, PORTION)) < PORTION) return;
	}
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
