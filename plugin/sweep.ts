/**
 * What the engine never tells the plugin: that a container was removed, or that it stopped while the
 * plugin was away. So the records are compared with the engine's list of containers.
 */

import { errorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { EngineContainer } from './docker.ts';
import type { IdentityRecord } from './records.ts';
import type { ServiceRecords } from './records-services.ts';
import { isAnonymousVolume } from './volume/volume-name.ts';

const INTERVAL_MS = 60_000;
/** Until its first instruction runs, a container that is being started looks like one that stopped. */
const SETTLE_MS = 5_000;
/** A timer may be a moment early. */
const LOOK_AGAIN_MS = SETTLE_MS + 100;
const RUNNING: readonly string[] = ['running', 'paused', 'restarting'];

export interface SweepDeps {
	readonly records: { identities(): IdentityRecord[]; volumes(): string[]; readonly services: Pick<ServiceRecords, 'ids' | 'remove'> };
	readonly engine: {
		containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]>;
		removeVolume(name: string): Promise<boolean>;
		/** undefined when it cannot tell */
		serviceIds(): Promise<readonly string[] | undefined>;
	};
	readonly volumes: {
		forget(volume: string, containerId: string): Promise<void>;
		/** true for a start whose end may have been missed, e.g. one from before this process */
		mayHaveEnded(volume: string, startId: string): boolean;
		endStart(volume: string, startId: string): Promise<void>;
	};
	/** milliseconds that only grow */
	readonly now: () => number;
	readonly logger: Logger;
}

/** Start ids of containers that did not run when they were looked at, with the time of the first look. */
export type Suspects = Map<string, number>;

export interface Sweep {
	/** Looks soon; never throws. */
	wake(): void;
	close(): void;
}

/** Looks once a minute and whenever it is woken. */
export function startSweep(deps: SweepDeps): Sweep {
	let sweeping = false;
	let again = false;
	let timer: NodeJS.Timeout | undefined;
	let closed = false;
	const suspects: Suspects = new Map();
	let unused: ReadonlyMap<string, number> = new Map();

	async function run(): Promise<void> {
		again = true;
		if (sweeping || closed) return;
		sweeping = true;
		clearTimeout(timer);
		while (again && !closed) {
			again = false;
			const failed = (error: unknown): void => deps.logger.debug('the engine could not be asked what it has', { code: errorCode(error) });
			await sweepOnce(deps, suspects).catch(failed);
			await forgetServices(deps).catch(failed);
			unused = (await removeUnused(deps, unused, performance.now()).catch(failed)) ?? unused;
		}
		sweeping = false;
		if (!closed) timer = setTimeout(() => void run(), suspects.size > 0 ? LOOK_AGAIN_MS : INTERVAL_MS);
	}

	return {
		wake: () => void run(),
		close: () => {
			closed = true;
			clearTimeout(timer);
		},
	};
}

/**
 * Ends the authorizations of containers that no longer exist, with their volumes, and the starts whose
 * end may have been missed and whose containers do not run, now and {@link SETTLE_MS} ago.
 *
 * @param suspects kept from one call to the next
 * @throws BirthmarkError `engine-unavailable`
 */
export async function sweepOnce({ records, engine, volumes, now, logger }: SweepDeps, suspects: Suspects): Promise<void> {
	// Read first: a container that is born in between is in neither.
	const identities = records.identities();
	if (identities.length === 0) return;
	const containers = new Map((await engine.containers({})).map((container) => [container.Id, container]));
	const before = new Map(suspects);
	suspects.clear();
	for (const { volume, delivery, containerId, commonName, startId } of identities) {
		const container = containers.get(containerId);
		try {
			if (!container) {
				logger.info('the container is gone', { containerId, commonName, volume });
				await volumes.forget(volume, containerId);
				if (delivery === 'volume' && isAnonymousVolume(volume)) await engine.removeVolume(volume);
			} else if (startId !== undefined && volumes.mayHaveEnded(volume, startId) && !RUNNING.includes(container.State)) {
				const since = before.get(startId) ?? now();
				if (now() - since >= SETTLE_MS) await volumes.endStart(volume, startId);
				else suspects.set(startId, since);
			}
		} catch (error) {
			logger.warn('what a container left could not be cleaned away whole', { containerId, commonName, volume, error });
		}
	}
}

/** Forgets services that the engine no longer has. @throws BirthmarkError `engine-unavailable` */
export async function forgetServices({ records, engine }: Pick<SweepDeps, 'records' | 'engine'>): Promise<void> {
	// Read first: a service that is created in between is in neither.
	const ids = records.services.ids();
	if (ids.length === 0) return;
	const there = await engine.serviceIds();
	for (const id of ids) if (there && !there.includes(id)) records.services.remove(id);
}

/**
 * Removes volumes without a name that no container has, as the engine leaves one behind for each task
 * of a service. One that was found only now may be that of a container which is being created.
 *
 * @param before those that were found before, and when, in milliseconds
 * @param now on the same clock
 * @returns those that were found now, and when for the first time
 * @throws BirthmarkError `engine-unavailable`
 */
export async function removeUnused({ records, engine }: Pick<SweepDeps, 'records' | 'engine'>, before: ReadonlyMap<string, number>, now: number): Promise<Map<string, number>> {
	const owned = new Set(records.identities().map(({ volume }) => volume));
	const ownerless = records.volumes().filter((volume) => isAnonymousVolume(volume) && !owned.has(volume));
	if (ownerless.length === 0) return new Map();
	const used = new Set((await engine.containers({})).flatMap(({ Mounts }) => Mounts?.map(({ Name }) => Name) ?? []));
	const unused = new Map(ownerless.filter((volume) => !used.has(volume)).map((volume) => [volume, before.get(volume) ?? now]));
	for (const [volume, since] of unused) if (now - since >= INTERVAL_MS) await engine.removeVolume(volume);
	return unused;
}
