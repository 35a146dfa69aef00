/**
 * The plugin's own parts as one process that dies at a chosen step, over a CA, an engine and mounts that
 * remember what was done. A step is the moment before or after each effect that reaches beyond the process.
 */

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Delivery } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Authorization, AuthorizeRequest, MintedToken, MintRequest, RevokeRequest } from '#common/protocol/messages.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { giveBirth } from '../../plugin/authz/birth.ts';
import { startOutbox } from '../../plugin/outbox.ts';
import { openRecords, type Records } from '../../plugin/records.ts';
import { sweepOnce, type Suspects } from '../../plugin/sweep.ts';
import { IdentityVolumes } from '../../plugin/volume/identity-volumes.ts';
import { FakeKeepers } from './keepers.ts';
import { FakeMounts } from './mounts.ts';
import { engineContainer } from './plugin-engine.ts';
import { identityRecord } from './identity-record.ts';

/** The CA as far as tokens, certificates and their ends go. */
export class RememberingCa {
	readonly authorizations = new Map<string, { readonly id: string; ended: boolean }>();
	readonly certificates: { readonly authorizationId: string; readonly startId: string; revoked: boolean }[] = [];
	/** starts whose end was told, each time anew */
	readonly ends: string[] = [];
	readonly #tokens = new Map<string, { readonly authorizationId: string; readonly startId: string }>();
	/** of its clock */
	readonly clockSkewSeconds = (): number => 0;
	readonly #closed = new Set<string>();

	async authorize(request: AuthorizeRequest): Promise<Authorization> {
		const { containerId = '' } = request;
		let authorization = this.authorizations.get(containerId);
		if (!authorization) this.authorizations.set(containerId, (authorization = { id: `of ${containerId}`, ended: false }));
		if (authorization.ended) throw new BirthmarkError('authorization-ended');
		return { ...request, id: authorization.id, organization: 'test', spiffeId: '', lifetimeSeconds: 60 };
	}

	async mintToken(authorizationId: string, { startId }: MintRequest): Promise<MintedToken> {
		if (this.#isEnded(authorizationId) || this.#closed.has(startId)) throw new BirthmarkError('authorization-ended');
		for (const [token, of] of this.#tokens) if (of.authorizationId === authorizationId) this.#tokens.delete(token);
		this.#tokens.set(`token of ${startId}`, { authorizationId, startId });
		return { token: `token of ${startId}`, expiresAt: '2030-01-01T00:00:00Z' };
	}

	/** @returns true when there is a certificate for it, made now */
	redeem(token: string): boolean {
		const of = this.#tokens.get(token);
		this.#tokens.delete(token);
		if (!of || this.#isEnded(of.authorizationId) || this.#closed.has(of.startId)) return false;
		this.certificates.push({ ...of, revoked: false });
		return true;
	}

	async revoke({ authorizationId = '', startId = '' }: RevokeRequest): Promise<void> {
		if (!this.#closed.has(startId)) this.ends.push(startId);
		this.#closed.add(startId);
		for (const certificate of this.certificates) if (certificate.authorizationId === authorizationId && certificate.startId === startId) certificate.revoked = true;
	}

	async endAuthorization(id: string): Promise<void> {
		for (const authorization of this.authorizations.values()) if (authorization.id === id) authorization.ended = true;
		for (const certificate of this.certificates) if (certificate.authorizationId === id) certificate.revoked = true;
	}

	live(): number {
		return this.certificates.filter(({ revoked }) => !revoked).length;
	}

	#isEnded(id: string): boolean {
		return [...this.authorizations.values()].some((authorization) => authorization.id === id && authorization.ended);
	}
}

/** What outlives the process. */
export interface Host {
	readonly directory: string;
	readonly mounts: FakeMounts;
	readonly ca: RememberingCa;
	/** containers that the engine has, by id; each on a volume of that name, or started by the runtime */
	readonly containers: Map<string, string>;
	readonly delivery: Delivery;
}

export function newHost(directory: string, delivery: Delivery = 'volume'): Host {
	mkdirSync(join(directory, 'mounts'));
	return { directory, mounts: new FakeMounts(join(directory, 'mounts')), ca: new RememberingCa(), containers: new Map(), delivery };
}

export interface MortalPlugin {
	readonly volumes: IdentityVolumes;
	readonly records: Records;
	/** the steps so far */
	steps(): number;
	isDead(): boolean;
	/** what the engine sees when it calls: the answer, or a connection that broke */
	call<T>(work: () => Promise<T>): Promise<T>;
	/** Asks the CA, and records what it says. */
	bind(containerId: string): Promise<void>;
	/** as after a minute, and once more later */
	sweep(): Promise<void>;
	/** resolves when the CA has heard everything @throws when it dies before */
	delivered(): Promise<void>;
	end(): void;
}

class Died extends Error {}

/** @param lastStep the process dies at this step @throws Died when that is one of its first */
export async function startMortalPlugin(host: Host, lastStep = Infinity): Promise<MortalPlugin> {
	let steps = 0;
	let starts = 0;
	const step = (): void => {
		if (++steps >= lastStep) throw new Died();
	};
	const isDead = (): boolean => steps >= lastStep;
	/** Each method of these names is an effect; of the dead, none does anything. */
	const mortal = <T extends object>(target: T, effects: readonly (keyof T)[]): T =>
		new Proxy(target, {
			get(object, name) {
				const method = object[name as keyof T];
				if (typeof method !== 'function') return method;
				return (...args: unknown[]): unknown => {
					const isEffect = effects.includes(name as keyof T);
					if (isEffect) step();
					else if (isDead()) throw new Died();
					const result: unknown = method.apply(object, args);
					if (result instanceof Promise) {
						return result.then((value: unknown) => {
							if (isEffect) step();
							return value;
						});
					}
					if (isEffect) step();
					return result;
				};
			},
		});

	const opened = openRecords(join(host.directory, 'records.db'));
	const records = mortal(opened, ['beginBirth', 'abandonBirth', 'abandonBirths', 'addIdentity', 'beginStart', 'hold', 'release', 'endStart', 'endIdentity', 'removeVolume', 'removeFromOutbox']);
	const ca = mortal(host.ca, ['authorize', 'mintToken', 'revoke', 'endAuthorization']);
	const tmpfs = mortal(host.mounts, ['mount', 'unmount']);
	const engine = {
		containers: async () => [...host.containers].map(([Id, State]) => engineContainer({ Id, State })),
		removeVolume: async () => true,
		serviceIds: async () => [],
	};
	let outbox: ReturnType<typeof startOutbox> | undefined;
	const volumes = new IdentityVolumes({
		records,
		tmpfs,
		ca,
		revocationList: async () => 'list',
		trustBundle: () => 'bundle',
		openRelay: async () => (step(), { close: async () => undefined }),
		keepers: new FakeKeepers(),
		enforcement: { prove: async () => true, problem: () => undefined, engineAnswered: () => true },
		containersOf: async ({ volume }) => (host.containers.has(volume) ? [engineContainer({ Id: volume, State: host.containers.get(volume)! })] : []),
		bindTask: async () => false,
		onEnded: () => outbox?.wake(),
		caUrls: [],
		startGraceMs: 0,
		newStartId: () => `${process.hrtime.bigint()}-${++starts}`,
		logger: silentLogger,
	});
	const suspects: Suspects = new Map();
	let now = 0;
	const end = (): void => {
		outbox?.close();
		steps = lastStep = 0;
		opened.close();
	};
	try {
		records.abandonBirths();
		outbox = startOutbox({ records, ca, onDelivered: () => undefined, settleMs: 0, logger: silentLogger });
		await volumes.restore();
		if (isDead()) throw new Died();
	} catch (error) {
		end();
		throw error;
	}

	return {
		volumes,
		records,
		steps: () => steps,
		isDead,
		async call(work) {
			const answer = await work();
			step();
			return answer;
		},
		async bind(containerId) {
			const record = identityRecord({ volume: containerId, delivery: host.delivery, uid: process.getuid!(), gid: process.getgid!() });
			const { commonName, organizationalUnit, dnsNames } = record;
			const asked = { commonName, organizationalUnit, dnsNames, containerId, image: 'app:1' };
			await giveBirth({ ca, records, onEnded: () => outbox.wake(), logger: silentLogger }, asked, record);
		},
		async sweep() {
			for (const later of [0, 5000]) {
				now += later;
				await sweepOnce({ records, engine, volumes, now: () => now, logger: silentLogger }, suspects);
			}
		},
		async delivered() {
			outbox.wake();
			while (!isDead() && opened.outboxLength() > 0) await new Promise((resolve) => setImmediate(resolve));
			if (isDead()) throw new Died();
		},
		end,
	};
}

/** What the agent does when its container starts. */
export function redeemToken({ mounts, ca }: Host, volume: string): boolean {
	const path = join(mounts.path(volume), 'token');
	return existsSync(path) && ca.redeem(readFileSync(path, 'utf8'));
}
