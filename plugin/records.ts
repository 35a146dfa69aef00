/**
 * The plugin's durable memory: volumes, the identity that belongs to each, its current start, who
 * holds it mounted, identities that are being born, and the outbox of what the CA still has to hear.
 * What is answered to the engine was written here first; every change is one transaction, synced
 * (SQLite WAL, synchronous=FULL).
 */

import { DatabaseSync } from 'node:sqlite';
import type { AgentMode, AgentSettings, Delivery } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { AuthorizeRequest, Names } from '#common/protocol/messages.ts';
import { migrateRecords } from './records-schema.ts';
import { ServiceRecords } from './records-services.ts';

export interface IdentityRecord extends Names {
	/** the key of everything that is kept for it: the name of a volume, or the container's id where the runtime delivers */
	readonly volume: string;
	readonly containerId: string;
	/** under which the CA knows it, without the slash; empty in a record of an earlier version */
	readonly containerName: string;
	/** `sha256:…` of the image that was decided on; empty in a record of an earlier version */
	readonly imageId: string;
	readonly authorizationId: string;
	/** owner and permission bits of the identity directory */
	readonly uid: number;
	readonly gid: number;
	readonly mode: number;
	/** limits of the tmpfs */
	readonly sizeBytes: number;
	readonly inodes: number;
	readonly caWay: 'relay' | 'network';
	readonly delivery: Delivery;
	readonly agentMode: AgentMode;
	/** for `agent.json` */
	readonly settings: AgentSettings;
	/** of a swarm service, whose container this is */
	readonly taskId?: string;
	/** of the start in progress or running; absent while stopped */
	readonly startId?: string;
}

/**
 * What the CA is to be told: a start is over, or the whole authorization when `startId` is absent; or
 * that nothing came of what was `abandoned`, whose authorization it may have, under an id that we never heard.
 */
export type OutboxEntry =
	| { readonly id: number; readonly authorizationId: string; readonly startId?: string }
	| { readonly id: number; readonly abandoned: AuthorizeRequest };

const IDENTITY_COLUMNS = `volume, container_id AS containerId, container_name AS containerName, image_id AS imageId, authorization_id AS authorizationId,
	common_name AS commonName, organizational_unit AS organizationalUnit, dns_names AS dnsNames, uid, gid, mode, size_bytes AS sizeBytes, inodes,
	ca_way AS caWay, delivery, agent_mode AS agentMode, settings, task_id AS taskId, start_id AS startId`;
const ADD_IDENTITY = `
	INSERT INTO identities (volume, container_id, container_name, image_id, authorization_id, common_name, organizational_unit, dns_names, uid, gid, mode, size_bytes, inodes, ca_way, delivery, agent_mode, settings, task_id)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
/** Of the containers that a volume belongs to, the one whose turn it is: the oldest. */
const OWNER = 'container_id = (SELECT container_id FROM identities WHERE volume = ? ORDER BY position LIMIT 1)';

/** Opens the file, made when it is not there. @throws BirthmarkError `config-invalid` for a file of a newer version */
export function openRecords(path: string): Records {
	const database = new DatabaseSync(path);
	database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000');
	migrateRecords(database, path);
	return new Records(database);
}

export class Records {
	readonly #database: DatabaseSync;
	readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();
	readonly services: ServiceRecords;

	constructor(database: DatabaseSync) {
		this.#database = database;
		this.services = new ServiceRecords(database);
	}

	addVolume(name: string): void {
		this.#run('INSERT OR IGNORE INTO volumes VALUES (?)', name);
	}

	hasVolume(name: string): boolean {
		return this.#get('SELECT 1 FROM volumes WHERE name = ?', name) !== undefined;
	}

	volumes(): string[] {
		return this.#all<{ name: string }>('SELECT name FROM volumes ORDER BY name').map(({ name }) => name);
	}

	/** The CA is about to be asked for an authorization with this request, which names a container. */
	beginBirth(request: AuthorizeRequest & { readonly containerId: string }): void {
		this.#run('INSERT OR REPLACE INTO births VALUES (?, ?)', request.containerId, JSON.stringify(request));
	}

	/** Nothing comes of it: if the CA has an authorization by now, it is to be ended. */
	abandonBirth(containerId: string): void {
		this.#transaction(() => {
			this.#run(`INSERT INTO outbox (authorization_id, abandoned) SELECT '', request FROM births WHERE container_id = ?`, containerId);
			this.#run('DELETE FROM births WHERE container_id = ?', containerId);
		});
	}

	/** Those that a process which ended left half-done. */
	abandonBirths(): void {
		for (const { id } of this.#all<{ id: string }>('SELECT container_id AS id FROM births')) this.abandonBirth(id);
	}

	/**
	 * The birth is complete. A volume belongs to one container, and to those of the same names that are
	 * to take its place: a container is often made anew before the old one is removed.
	 *
	 * Where the runtime delivers, the key is the container's id: a volume that somebody gave that name in
	 * between is none of ours any more.
	 *
	 * @throws BirthmarkError `identity-isolated` when the volume belongs to a container of other names, or of another delivery
	 */
	addIdentity(record: IdentityRecord): void {
		const owners = this.identitiesOf(record.volume);
		if (owners.some(({ containerId }) => containerId === record.containerId)) return this.#run('DELETE FROM births WHERE container_id = ?', record.containerId);
		if (owners.some((owner) => owner.delivery !== record.delivery || !haveSameNames(owner, record))) throw new BirthmarkError('identity-isolated', 'the volume belongs to another container already');
		const { volume, containerId, containerName, imageId, authorizationId, commonName, organizationalUnit, dnsNames, uid, gid, mode, sizeBytes, inodes, caWay, delivery, agentMode, settings, taskId = null } = record;
		this.#transaction(() => {
			if (delivery === 'volume') this.addVolume(volume);
			else this.#run('DELETE FROM volumes WHERE name = ?', volume);
			this.#run('DELETE FROM births WHERE container_id = ?', containerId);
			this.#run(
				ADD_IDENTITY,
				volume, containerId, containerName, imageId, authorizationId, commonName, organizationalUnit, JSON.stringify(dnsNames), uid, gid, mode, sizeBytes, inodes, caWay,
				delivery, agentMode, JSON.stringify(settings), taskId,
			);
		});
	}

	/** The identity of a container, however it is delivered. */
	identityOfContainer(containerId: string): IdentityRecord | undefined {
		return this.#all(`SELECT ${IDENTITY_COLUMNS} FROM identities WHERE container_id = ?`, containerId).map(toIdentity)[0];
	}

	/** The identity whose turn it is on this volume. */
	identity(volume: string): IdentityRecord | undefined {
		return this.identitiesOf(volume)[0];
	}

	/** Of the container that has the volume, then of those that wait for it. */
	identitiesOf(volume: string): IdentityRecord[] {
		return this.#all(`SELECT ${IDENTITY_COLUMNS} FROM identities WHERE volume = ? ORDER BY position`, volume).map(toIdentity);
	}

	identities(): IdentityRecord[] {
		return this.#all(`SELECT ${IDENTITY_COLUMNS} FROM identities ORDER BY position`).map(toIdentity);
	}

	/** The CA knows the container by this name now. */
	renameContainer(containerId: string, name: string): void {
		this.#run('UPDATE identities SET container_name = ? WHERE container_id = ?', name, containerId);
	}

	/** Begins a start, held once by `mountId`; the start before it, if any, is over. */
	beginStart(volume: string, startId: string, mountId: string): void {
		this.#transaction(() => {
			this.#queueStart(volume);
			this.#run('DELETE FROM mounts WHERE volume = ?', volume);
			this.#run('INSERT INTO mounts VALUES (?, ?, 1)', volume, mountId);
			this.#run(`UPDATE identities SET start_id = ? WHERE ${OWNER}`, startId, volume);
		});
	}

	isHeldBy(volume: string, mountId: string): boolean {
		return this.#get('SELECT 1 FROM mounts WHERE volume = ? AND mount_id = ?', volume, mountId) !== undefined;
	}

	/** The engine mounts with the same id more than once, e.g. for `docker cp`: each is unmounted in its turn. */
	hold(volume: string, mountId: string): void {
		this.#run('UPDATE mounts SET holds = holds + 1 WHERE volume = ? AND mount_id = ?', volume, mountId);
	}

	/** @returns true when nobody holds the volume any more: the start is over, and the CA will be told */
	release(volume: string, mountId: string): boolean {
		return this.#transaction(() => {
			this.#run('UPDATE mounts SET holds = holds - 1 WHERE volume = ? AND mount_id = ?', volume, mountId);
			this.#run('DELETE FROM mounts WHERE volume = ? AND holds <= 0', volume);
			if (this.#get('SELECT 1 FROM mounts WHERE volume = ?', volume) !== undefined) return false;
			this.#queueStart(volume);
			return true;
		});
	}

	/** The start is over, whoever held the volume. */
	endStart(volume: string): void {
		this.#transaction(() => {
			this.#queueStart(volume);
			this.#run('DELETE FROM mounts WHERE volume = ?', volume);
		});
	}

	/** The container is gone: so is its identity, and the CA will be told. */
	endIdentity(volume: string, containerId: string): void {
		this.#transaction(() => {
			this.#run('INSERT INTO outbox (authorization_id) SELECT authorization_id FROM identities WHERE container_id = ?', containerId);
			if (this.identity(volume)?.containerId === containerId) this.#run('DELETE FROM mounts WHERE volume = ?', volume);
			this.#run('DELETE FROM identities WHERE container_id = ?', containerId);
		});
	}

	/** Forgets a volume, with everybody that it belonged to. */
	removeVolume(name: string): void {
		this.#transaction(() => {
			for (const { containerId } of this.identitiesOf(name)) this.endIdentity(name, containerId);
			this.#run('DELETE FROM volumes WHERE name = ?', name);
		});
	}

	/** Another CA, another node identity: nothing that the old one authorized can be started. */
	forgetAuthorizations(): void {
		this.#transaction(() => {
			for (const table of ['identities', 'mounts', 'births', 'outbox']) this.#run(`DELETE FROM ${table}`);
		});
	}

	/** The oldest undelivered entry after the one with this id. */
	nextInOutbox(after = 0): OutboxEntry | undefined {
		const row = this.#get('SELECT id, authorization_id AS authorizationId, start_id AS startId, abandoned FROM outbox WHERE id > ? ORDER BY id LIMIT 1', after);
		if (!row) return undefined;
		const { id, authorizationId, startId, abandoned } = row as { id: number; authorizationId: string; startId: string | null; abandoned: string | null };
		if (abandoned !== null) return { id, abandoned: JSON.parse(abandoned) as AuthorizeRequest };
		return { id, authorizationId, ...(startId !== null && { startId }) };
	}

	removeFromOutbox(id: number): void {
		this.#run('DELETE FROM outbox WHERE id = ?', id);
	}

	outboxLength(): number {
		return (this.#get('SELECT count(*) AS length FROM outbox') as { length: number }).length;
	}

	close(): void {
		this.#database.close();
	}

	#queueStart(volume: string): void {
		const started = 'FROM identities WHERE volume = ? AND start_id IS NOT NULL';
		this.#run(`INSERT INTO outbox (authorization_id, start_id) SELECT authorization_id, start_id ${started}`, volume);
		this.#run('UPDATE identities SET start_id = NULL WHERE volume = ?', volume);
	}

	#transaction<T>(work: () => T): T {
		if (this.#database.isTransaction) return work();
		this.#database.exec('BEGIN IMMEDIATE');
		try {
			const result = work();
			this.#database.exec('COMMIT');
			return result;
		} catch (error) {
			this.#database.exec('ROLLBACK');
			throw error;
		}
	}

	#prepare(sql: string) {
		let statement = this.#statements.get(sql);
		if (!statement) this.#statements.set(sql, (statement = this.#database.prepare(sql)));
		return statement;
	}

	#run(sql: string, ...values: (string | number | null)[]): void {
		this.#prepare(sql).run(...values);
	}

	#get(sql: string, ...values: (string | number)[]) {
		return this.#prepare(sql).get(...values);
	}

	#all<T = Record<string, unknown>>(sql: string, ...values: (string | number)[]): T[] {
		return this.#prepare(sql).all(...values) as T[];
	}
}

/** True for two identities that only their containers tell apart. */
export function haveSameNames(one: Names, other: Names): boolean {
	const key = ({ commonName, organizationalUnit, dnsNames }: Names): string => JSON.stringify([commonName, organizationalUnit, [...dnsNames].sort()]);
	return key(one) === key(other);
}

function toIdentity(row: Record<string, unknown>): IdentityRecord {
	const { startId, taskId, dnsNames, settings, ...rest } = row as unknown as Omit<IdentityRecord, 'startId' | 'taskId' | 'dnsNames' | 'settings'> & { startId: string | null; taskId: string | null; dnsNames: string; settings: string };
	return { ...rest, dnsNames: JSON.parse(dnsNames) as string[], settings: JSON.parse(settings) as AgentSettings, ...(taskId !== null && { taskId }), ...(startId !== null && { startId }) };
}
