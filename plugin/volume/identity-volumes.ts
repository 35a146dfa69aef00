/**
 * One start of one container: a fresh start id, a fresh token, a fresh tmpfs; and its end, by which
 * the certificate is revoked. What the engine is answered is in the records first.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentFile } from '#common/protocol/agent-file.ts';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { MintedToken, MintRequest } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { EngineContainer } from '../docker.ts';
import type { Enforcement } from '../enforcement.ts';
import type { IdentityRecord, Records } from '../records.ts';
import { createKeyedLock } from './keyed-lock.ts';
import type { Keepers } from './keepers.ts';
import type { Relay } from './relay.ts';
import type { Tmpfs } from './tmpfs.ts';
import { writeVolumeFile } from './volume-files.ts';

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 2_000;
/** How many starts may wait for a CA that is away; more fail at once. */
export const MAX_WAITING = 200;

export interface IdentityVolumesDeps {
	readonly records: Pick<Records, 'identity' | 'identities' | 'identitiesOf' | 'endIdentity' | 'beginStart' | 'isHeldBy' | 'hold' | 'release' | 'endStart' | 'removeVolume' | 'renameContainer'>;
	readonly tmpfs: Pick<Tmpfs, 'path' | 'mount' | 'unmount' | 'restore' | 'present'>;
	readonly ca: { mintToken(authorizationId: string, request: MintRequest): Promise<MintedToken> };
	readonly revocationList: () => Promise<string>;
	readonly openRelay: (directory: string) => Promise<Relay>;
	/** the agents of containers that run none themselves */
	readonly keepers: Keepers;
	readonly enforcement: Pick<Enforcement, 'prove' | 'problem' | 'engineAnswered'>;
	/** every container that has the volume, running or not; throws when the engine does not answer */
	readonly containersOf: (volume: string) => Promise<readonly Pick<EngineContainer, 'Id' | 'State' | 'ImageID' | 'Names'>[]>;
	/** gives a volume that belongs to nobody to the task of a service whose it is @returns false when there is none */
	readonly bindTask: (volume: string) => Promise<boolean>;
	/** the records hold something for the CA */
	readonly onEnded: () => void;
	/** for containers that reach the CA over the network, in their order */
	readonly caUrls: readonly string[];
	/** how long a start waits for the CA */
	readonly startGraceMs: number;
	/** 128 random bits or more */
	readonly newStartId: () => string;
	readonly logger: Logger;
}

export class IdentityVolumes {
	readonly #deps: IdentityVolumesDeps;
	readonly #relays = new Map<string, Relay>();
	readonly #mounted = new Set<string>();
	/** volume → its start whose end may have been missed */
	readonly #doubtful = new Map<string, string>();
	readonly #lock = createKeyedLock();
	/** starts that wait for a CA that is away */
	readonly #waiting = new Set<string>();

	constructor(deps: IdentityVolumesDeps) {
		this.#deps = deps;
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
		const { records, tmpfs } = this.#deps;
		return this.#lock(volume, async () => {
			let identity = records.identity(volume);
			const isRunning = identity && this.#mounted.has(volume) && records.isHeldBy(volume, mountId) ? await this.#isRunning(identity) : false;
			if (isRunning) {
				records.hold(volume, mountId);
				return tmpfs.path(volume);
			}
			const proof = isRunning === null ? null : await this.#prove();
			// A task of a service is made inside the engine, without a call; while the engine starts, nobody can be asked about it.
			if (!identity && proof !== null && (await this.#deps.bindTask(volume))) identity = records.identity(volume);
			if (!identity) throw volumeUnknown();
			// The engine itself starts and cannot tell whose volume it is; what it starts has run before, so it had its turn.
			await this.#start(proof === null ? identity : await this.#starting(volume, identity), mountId);
			return tmpfs.path(volume);
		});
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
			if (this.#deps.records.identity(volume)?.startId !== startId) return;
			this.#deps.records.endStart(volume);
			await this.#tearDown(volume);
		});
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

	/** True for a start that {@link restore} took up, and for one whose end could not be recorded. */
	mayHaveEnded(volume: string, startId: string): boolean {
		return this.#doubtful.get(volume) === startId;
	}

	isMounted(volume: string): boolean {
		return this.#mounted.has(volume);
	}

	mountedCount(): number {
		return this.#mounted.size;
	}

	/** How many starts wait for a CA that is away. */
	waitingCount(): number {
		return this.#waiting.size;
	}

	/** Replaces the revocation list in every mounted volume; a full or spoilt volume is its container's own loss. */
	async writeRevocationList(text: string): Promise<void> {
		const { tmpfs, logger } = this.#deps;
		const write = async (volume: string): Promise<void> => {
			if (this.#mounted.has(volume)) await writeVolumeFile(tmpfs.path(volume), VolumeFile.revocationList, text, 0o444);
		};
		// Under the lock: what is written after the unmount would lie on the disk.
		const writes = [...this.#mounted].map((volume) =>
			this.#lock(volume, () => write(volume)).catch((error: unknown) => logger.debug('the revocation list could not be written', { volume, error })),
		);
		await Promise.all(writes);
	}

	/** Stops relaying and renewing; mounts stay for the containers that run. */
	async close(): Promise<void> {
		await Promise.all([this.#deps.keepers.close(), ...[...this.#relays.values()].map((relay) => relay.close())]);
		this.#relays.clear();
	}

	/**
	 * The container that starts, which Mount does not say. It is the one whose turn it is when that does
	 * not run yet and no other has the volume; one that was created without the plugin's yes may have it.
	 *
	 * @throws BirthmarkError `identity-isolated` when it could be another
	 */
	async #starting(volume: string, owner: IdentityRecord): Promise<IdentityRecord> {
		const { records, containersOf } = this.#deps;
		const containers = await containersOf(volume);
		const container = containers.find(({ Id }) => Id === owner.containerId);
		if (!container) {
			await this.#forget(volume, owner.containerId);
			const next = records.identity(volume);
			if (!next) throw volumeUnknown();
			return this.#starting(volume, next);
		}
		const { State: state, ImageID: imageId } = container;
		if (owner.imageId !== '' && imageId !== owner.imageId) {
			throw new BirthmarkError('image-changed', `the container has the image ${imageId}, and ${owner.imageId} was authorized for ${quote(owner.commonName)}; create it again`);
		}
		const identities = records.identitiesOf(volume);
		const stranger = containers.find(({ Id }) => !identities.some(({ containerId }) => containerId === Id));
		if (stranger) {
			const id = stranger.Id.slice(0, 12);
			throw new BirthmarkError('identity-isolated', `the container ${id} has the volume of ${quote(owner.commonName)} without being authorized for it; remove it first (docker rm --force ${id})`);
		}
		// With a restart policy on its side it can only be the owner.
		const named = { ...owner, containerName: container.Names?.[0]?.slice(1) ?? owner.containerName };
		if (state === 'restarting') return named;
		if (containers.length > 1 || state === 'running' || state === 'paused') {
			const id = owner.containerId.slice(0, 12);
			throw new BirthmarkError('identity-isolated', `the volume belongs to the container ${id} as long as that exists; remove it first (docker rm --force ${id})`);
		}
		return named;
	}

	/**
	 * Whether the start that the records know is under way. Where its end may have been missed the engine
	 * tells; one that does not answer is starting itself, and what it held before is void.
	 *
	 * @returns null while the engine starts
	 */
	async #isRunning({ volume, containerId, startId = '' }: IdentityRecord): Promise<boolean | null> {
		const { containersOf, enforcement } = this.#deps;
		const hasAnswered = enforcement.engineAnswered();
		if (hasAnswered && !this.mayHaveEnded(volume, startId)) return true;
		const told = containersOf(volume).then((containers) => containers.some(({ Id, State }) => Id === containerId && ['running', 'paused'].includes(State)), () => false);
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

	async #start(identity: IdentityRecord, mountId: string): Promise<void> {
		const { records, tmpfs, keepers, revocationList, caUrls, newStartId, onEnded, logger } = this.#deps;
		const { volume, authorizationId, commonName, caWay, agentMode, settings } = identity;
		const startId = newStartId();
		records.beginStart(volume, startId, mountId);
		onEnded();
		try {
			await this.#tearDown(volume);
			const token = await this.#askForToken(identity, startId);
			await tmpfs.mount(volume, identity);
			this.#mounted.add(volume);
			if (caWay === 'relay') await this.#openRelay(volume);
			const directory = tmpfs.path(volume);
			const agentFile: AgentFile = { version: 1, ca: caWay === 'relay' ? { way: 'relay' } : { way: 'network', url: caUrls[0] ?? '', urls: caUrls }, settings };
			await writeVolumeFile(directory, VolumeFile.agentConfig, JSON.stringify(agentFile), 0o444);
			// Read only now: a list that changes from here on is written into every mounted volume.
			await writeVolumeFile(directory, VolumeFile.revocationList, await revocationList(), 0o444);
			await writeVolumeFile(directory, VolumeFile.token, token, 0o400, identity);
			if (agentMode === 'node') await keepers.start(identity, directory);
			logger.info('identity mounted', { commonName, authorizationId, startId, volume });
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

	/** @returns true; null while the engine starts @throws BirthmarkError `enforcement-missing` */
	async #prove(): Promise<true | null> {
		const { enforcement } = this.#deps;
		const proof = await enforcement.prove();
		if (proof !== false) return proof;
		throw new BirthmarkError('enforcement-missing', `no identity is issued: ${enforcement.problem() ?? 'the engine does not answer any more; try again'}`);
	}

	/** Waits for a CA that is away until the grace is over; then its revocation list is known as well. */
	async #askForToken({ volume, authorizationId, containerId, containerName }: IdentityRecord, startId: string): Promise<string> {
		const { records, ca, revocationList, startGraceMs } = this.#deps;
		if (this.#waiting.size >= MAX_WAITING) throw new BirthmarkError('ca-unavailable', `${MAX_WAITING} starts of containers wait for the CA already; start this one when the CA is back`);
		const deadline = performance.now() + startGraceMs;
		try {
			for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(delayMs * 2, LAST_RETRY_MS)) {
				try {
					await revocationList();
					// It may have been renamed since the CA was told.
					const isRenamed = records.identity(volume)?.containerName !== containerName;
					const { token } = await ca.mintToken(authorizationId, { startId, ...(isRenamed && { containerName }) });
					if (isRenamed) records.renameContainer(containerId, containerName);
					return token;
				} catch (error) {
					const mayPass = ['ca-unavailable', 'node-not-joined'].includes(errorCode(error));
					if (!mayPass || performance.now() + delayMs > deadline) throw error;
				}
				this.#waiting.add(startId);
				await sleep(delayMs);
				// The proof that the start began with is old now.
				await this.#prove();
			}
		} finally {
			this.#waiting.delete(startId);
		}
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
		await Promise.all([relay?.close(), this.#deps.keepers.stop(volume)]);
		await this.#deps.tmpfs.unmount(volume);
	}
}

function volumeUnknown(): BirthmarkError {
	return new BirthmarkError(
		'volume-unknown',
		'no container was authorized for this volume: remove the container and create it again while the plugin runs ' +
			'(an image with files at /run/birthmark also needs volume-nocopy in --mount)',
	);
}
