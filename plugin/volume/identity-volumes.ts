/**
 * One start of one container: a fresh start id, a fresh token, a fresh tmpfs; and its end, by which
 * the certificate is revoked. What the engine is answered is in the records first.
 */

import { errorCode } from '#common/protocol/errors.ts';
import { allOver } from '#common/runtime/all-over.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { NodeDemands } from '#common/protocol/renewal-demands.ts';
import type { Logger } from '#common/runtime/log.ts';
import { requireProof, type Enforcement } from '../enforcement.ts';
import type { IdentityRecord, Records } from '../records.ts';
import { agentFileOf } from './agent-file.ts';
import { createKeyedLock } from './keyed-lock.ts';
import type { Keepers } from './keepers.ts';
import { createNotices, type Notices } from './notices.ts';
import type { Relay } from './relay.ts';
import { createStartTokens, type StartTokens, type StartTokensDeps } from './start-tokens.ts';
import type { Tmpfs } from './tmpfs.ts';
import { writeVolumeFile } from './volume-files.ts';
import { neverAuthorized, whoStarts, type Holder, type KnownContainer } from './who-starts.ts';

export interface IdentityVolumesDeps extends Omit<StartTokensDeps, 'prove'> {
	readonly records: Pick<Records, 'identity' | 'identityOfContainer' | 'identities' | 'identitiesOf' | 'endIdentity' | 'beginStart' | 'isHeldBy' | 'hold' | 'release' | 'endStart' | 'removeVolume' | 'renameContainer'>;
	readonly tmpfs: Pick<Tmpfs, 'path' | 'mount' | 'unmount' | 'restore' | 'present'>;
	/** PEM, the one in use; undefined before the node has joined */
	readonly trustBundle: () => string | undefined;
	readonly openRelay: (directory: string) => Promise<Relay>;
	/** the agents of containers that run none themselves */
	readonly keepers: Keepers;
	readonly enforcement: Pick<Enforcement, 'prove' | 'problem' | 'engineAnswered'>;
	/** every container that has the volume, or the one that is started by the runtime, running or not; throws when the engine does not answer */
	readonly containersOf: (holder: Holder) => Promise<readonly KnownContainer[]>;
	/** gives what belongs to nobody to the task of a service whose it is @returns false when there is none */
	readonly bindTask: (holder: Holder) => Promise<boolean>;
	/** the records hold something for the CA */
	readonly onEnded: () => void;
	/** for containers that reach the CA over the network, in their order */
	readonly caUrls: readonly string[];
	readonly logger: Logger;
}

/** The engine waits two minutes for a mount and leaves what comes later behind. From its question on, of which a token may take all but the last. */
const START_MS = 115_000;
const AFTER_TOKEN_MS = 15_000;
/** The runtime says when a start is over; it may be killed before. Until then a container may still be in the making. */
const RUNTIME_SETTLE_MS = 60_000;
/** By which the records know that the runtime has what a volume would be mounted for. */
const RUNTIME_HOLD = 'runtime';

/** With the start that has just begun. */
export type StartedIdentity = IdentityRecord & { readonly startId: string };

export class IdentityVolumes {
	readonly #deps: IdentityVolumesDeps;
	readonly #relays = new Map<string, Relay>();
	readonly #mounted = new Set<string>();
	/** volume → its start whose end may have been missed */
	readonly #doubtful = new Map<string, string>();
	/** container → when the runtime was given its identity */
	readonly #givenAt = new Map<string, number>();
	readonly #now: () => number;
	readonly #lock = createKeyedLock();
	readonly #tokens: StartTokens;
	readonly #notices: Notices;

	constructor(deps: IdentityVolumesDeps) {
		this.#deps = deps;
		this.#now = deps.now ?? (() => performance.now());
		this.#tokens = createStartTokens({ ...deps, prove: () => requireProof(deps.enforcement) });
		this.#notices = createNotices({ lock: this.#lock, isMounted: (volume) => this.#mounted.has(volume), path: (volume) => deps.tmpfs.path(volume), logger: deps.logger });
	}

	/**
	 * `VolumeDriver.Mount`. The same id again while the container runs is `docker cp`: it shares the
	 * mount and gets no token. Any other id is a new start, and so is the same one of a container that
	 * does not run: the engine keeps the id of an unmount that failed.
	 *
	 * @returns the mount point
	 * @throws BirthmarkError with everything undone
	 */
	mount(volume: string, mountId: string): Promise<string> {
		const { records, tmpfs, enforcement } = this.#deps;
		const deadline = this.#now() + START_MS;
		return this.#lock(volume, async () => {
			const identity = records.identity(volume);
			const isRunning = identity && this.#mounted.has(volume) && records.isHeldBy(volume, mountId) ? await this.#isRunning(identity) : false;
			if (isRunning) records.hold(volume, mountId);
			else await this.#begin({ volume, delivery: 'volume' }, mountId, isRunning === null ? null : await requireProof(enforcement, identity?.containerId), deadline);
			return tmpfs.path(volume);
		});
	}

	/**
	 * `birthmark-runtime`, before it makes the first process of a container: each time a new start, which
	 * ends with {@link endStart}.
	 *
	 * @param container as the engine has written it down: it need not be asked
	 * @throws BirthmarkError with everything undone
	 */
	startByRuntime(container: KnownContainer): Promise<StartedIdentity> {
		const { Id: containerId } = container;
		const deadline = this.#now() + START_MS;
		return this.#lock(containerId, async () => {
			const started = await this.#begin({ volume: containerId, delivery: 'runtime' }, RUNTIME_HOLD, await requireProof(this.#deps.enforcement, containerId), deadline, container);
			this.#givenAt.set(containerId, this.#now());
			return started;
		});
	}

	/** The engine, which is proved to ask first, is about to start this container: its token can be made meanwhile. */
	expectStart(containerId: string): void {
		const { records } = this.#deps;
		const identity = records.identityOfContainer(containerId);
		// One that runs keeps what it has; of those that share a volume it is the turn of one.
		if (identity && identity.startId === undefined && records.identity(identity.volume)?.containerId === containerId) this.#tokens.expect(identity);
	}

	/** `VolumeDriver.Unmount`. With the last holder the identity of this start dies. */
	unmount(volume: string, mountId: string): Promise<void> {
		const { records } = this.#deps;
		return this.#lock(volume, async () => {
			try {
				if (!records.release(volume, mountId)) return;
			} catch (error) {
				// A full disk; the engine will not ask again.
				const startId = records.identity(volume)?.startId;
				if (startId !== undefined) this.#doubtful.set(volume, startId);
				throw error;
			}
			await this.#tearDown(volume);
		});
	}

	/** A container is gone: its authorization ends, and the volume goes to the next one of the same names, if any. */
	forget(volume: string, containerId: string): Promise<void> {
		return this.#lock(volume, () => this.#forget(volume, containerId));
	}

	/** The volume is gone: the authorizations of all that it belonged to end. */
	remove(volume: string): Promise<void> {
		return this.#lock(volume, async () => {
			this.#deps.records.removeVolume(volume);
			await this.#tearDown(volume);
		});
	}

	/** Ends the start `startId` if it is still the current one, whoever holds the volume. */
	endStart(volume: string, startId: string): Promise<void> {
		return this.#lock(volume, async () => {
			if (this.#recordEnd(volume, startId)) await this.#tearDown(volume);
		});
	}

	/** The same, for the runtime, which keeps the engine waiting: resolves as soon as the end is in the records. */
	endByRuntime(containerId: string, startId: string): Promise<void> {
		return new Promise((resolve, reject) => {
			const ended = this.#lock(containerId, async () => {
				const isEnded = this.#recordEnd(containerId, startId);
				resolve();
				if (isEnded) await this.#tearDown(containerId);
			});
			ended.catch((error: unknown) => {
				this.#deps.logger.error('what a container left could not be cleaned away', { volume: containerId, error });
				reject(error);
			});
		});
	}

	/** @returns false when that start is over already @throws Error when it cannot be written; the sweep sees to it then */
	#recordEnd(volume: string, startId: string): boolean {
		const { records } = this.#deps;
		if (records.identity(volume)?.startId !== startId) return false;
		try {
			records.endStart(volume);
			return true;
		} catch (error) {
			this.#doubtful.set(volume, startId);
			throw error;
		}
	}

	/**
	 * After a start of the plugin: takes up what outlived it, ends what did not, cleans what is left
	 * over. Never throws: a container can spoil its own volume, and must not keep the plugin away.
	 */
	async restore(): Promise<void> {
		const { records, tmpfs, keepers, logger } = this.#deps;
		const starts = records.identities().filter((identity) => identity.startId !== undefined);
		for (const identity of starts) {
			const { volume, caWay, agentMode, startId, commonName } = identity;
			const spoilt = (error: unknown): void => logger.error('an identity could not be taken up whole', { volume, commonName, error });
			if (await tmpfs.restore(volume, agentMode).catch(spoilt)) {
				this.#mounted.add(volume);
				this.#doubtful.set(volume, startId!);
				if (caWay === 'relay') await this.#openRelay(volume).catch(spoilt);
				if (agentMode === 'node') keepers.resume(identity, tmpfs.path(volume));
			} else {
				logger.info('the identity did not outlive a stop of the plugin or the host', { volume, commonName, startId: startId! });
				records.endStart(volume);
			}
		}
		for (const volume of await tmpfs.present()) {
			if (this.#mounted.has(volume)) continue;
			await tmpfs.unmount(volume).catch((error: unknown) => logger.error('a volume could not be cleaned away', { volume, error }));
		}
	}

	/** True for a start that {@link restore} took up, for one whose end could not be recorded, and for one whose end the runtime may have kept to itself. */
	mayHaveEnded(volume: string, startId: string): boolean {
		const givenAt = this.#givenAt.get(volume);
		return this.#doubtful.get(volume) === startId || (givenAt !== undefined && this.#now() - givenAt >= RUNTIME_SETTLE_MS);
	}

	isMounted(volume: string): boolean {
		return this.#mounted.has(volume);
	}

	mountedCount(): number {
		return this.#mounted.size;
	}

	/** How many starts wait for a CA that is away. */
	waitingCount(): number {
		return this.#tokens.waitingCount();
	}

	/** Replaces the revocation list in every mounted volume. Never rejects. */
	writeRevocationList(text: string): Promise<void> {
		return this.#notices.revocationList(this.#mounted, text);
	}

	/** Tells the agent which certificate it is to renew now. Never rejects. */
	async demandRenewal(demand: NodeDemands['demands'][number]): Promise<void> {
		const volume = this.#deps.records.identities().find(({ authorizationId }) => authorizationId === demand.authorizationId)?.volume;
		if (volume !== undefined) await this.#notices.renewal(volume, demand);
	}

	/** Stops relaying and renewing; mounts stay for the containers that run. */
	async close(): Promise<void> {
		await Promise.all([this.#deps.keepers.close(), ...[...this.#relays.values()].map((relay) => relay.close())]);
		this.#relays.clear();
	}

	/**
	 * Whether the start that the records know is under way. Where its end may have been missed the engine
	 * tells; one that does not answer is starting itself, and what it held before is void.
	 *
	 * @returns null while the engine starts
	 */
	async #isRunning({ volume, delivery, containerId, startId = '' }: IdentityRecord): Promise<boolean | null> {
		const { containersOf, enforcement } = this.#deps;
		const hasAnswered = enforcement.engineAnswered();
		if (hasAnswered && !this.mayHaveEnded(volume, startId)) return true;
		const told = containersOf({ volume, delivery }).then((containers) => containers.some(({ Id, State }) => Id === containerId && ['running', 'paused'].includes(State)), () => false);
		if (hasAnswered) return told;
		// An engine that starts waits for this mount before it answers anything: its list would take all the time that there is for it.
		return Promise.race([told, enforcement.prove().then((proof) => (proof === null ? null : told))]);
	}

	async #forget(volume: string, containerId: string): Promise<void> {
		const { records, onEnded } = this.#deps;
		const hadVolume = records.identity(volume)?.containerId === containerId;
		records.endIdentity(volume, containerId);
		if (hadVolume) await this.#tearDown(volume);
		else onEnded();
	}

	/**
	 * @param proof null while the engine starts
	 * @param container the one that starts, where that is known
	 */
	async #begin(holder: Holder, mountId: string, proof: true | null, deadline: number, container?: KnownContainer): Promise<StartedIdentity> {
		const { records, bindTask } = this.#deps;
		const { volume, delivery } = holder;
		let identity = records.identity(volume);
		// A task of a service is made inside the engine, without a call; while the engine starts, nobody can be asked about it.
		if (!identity && proof !== null && (await bindTask(holder))) identity = records.identity(volume);
		if (identity?.delivery !== delivery) throw neverAuthorized(delivery);
		const containersOf = container ? async () => [container] : this.#deps.containersOf;
		// The engine itself starts and cannot tell whose it is; what it starts has run before, so it had its turn.
		if (container || proof !== null) identity = await whoStarts({ ...this.#deps, containersOf, forget: (containerId) => this.#forget(volume, containerId) }, identity);
		return { ...identity, startId: await this.#start(identity, mountId, deadline) };
	}

	async #start(identity: IdentityRecord, mountId: string, deadline: number): Promise<string> {
		const { records, tmpfs, ca, keepers, revocationList, trustBundle, caUrls, onEnded, logger } = this.#deps;
		const { volume, authorizationId, commonName, agentMode } = identity;
		const start = this.#tokens.take(identity);
		const { startId } = start;
		records.beginStart(volume, startId, mountId);
		onEnded();
		try {
			await this.#tearDown(volume);
			const directory = tmpfs.path(volume);
			const token = await this.#tokens.ask(identity, start, deadline - AFTER_TOKEN_MS - this.#now(), this.#prepare(identity));
			const agentFile = agentFileOf(identity, { bundle: trustBundle(), skewSeconds: ca.clockSkewSeconds(), caUrls });
			await allOver([
				writeVolumeFile(directory, VolumeFile.agentConfig, JSON.stringify(agentFile), 0o444),
				// Read only now: a list that changes from here on is written into every mounted volume.
				revocationList().then((list) => writeVolumeFile(directory, VolumeFile.revocationList, list, 0o444)),
				writeVolumeFile(directory, VolumeFile.token, token, 0o400, identity),
			]);
			if (agentMode === 'node') await keepers.start(identity, directory, deadline - this.#now());
			logger.info('identity mounted', { commonName, authorizationId, startId, volume });
			return startId;
		} catch (error) {
			await this.#tearDown(volume).catch((cause: unknown) => logger.error('a failed start could not be undone', { volume, error: cause }));
			logger.error('no identity for this start', { commonName, authorizationId, startId, volume, code: errorCode(error), error });
			this.#doubtful.set(volume, startId);
			records.endStart(volume);
			this.#doubtful.delete(volume);
			onEnded();
			throw error;
		}
	}

	/** The tmpfs, with the relay on it. */
	async #prepare(identity: IdentityRecord): Promise<void> {
		const { volume, caWay } = identity;
		await this.#deps.tmpfs.mount(volume, identity);
		this.#mounted.add(volume);
		if (caWay === 'relay') await this.#openRelay(volume);
	}

	async #openRelay(volume: string): Promise<void> {
		await this.#relays.get(volume)?.close();
		this.#relays.set(volume, await this.#deps.openRelay(this.#deps.tmpfs.path(volume)));
	}

	async #tearDown(volume: string): Promise<void> {
		this.#deps.onEnded();
		const relay = this.#relays.get(volume);
		this.#relays.delete(volume);
		this.#mounted.delete(volume);
		this.#doubtful.delete(volume);
		this.#givenAt.delete(volume);
		await Promise.all([relay?.close(), this.#deps.keepers.stop(volume)]);
		await this.#deps.tmpfs.unmount(volume);
	}
}
