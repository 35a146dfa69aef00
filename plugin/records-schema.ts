/** The tables of the plugin's records, and how a file of an earlier version becomes one of this. */

import type { DatabaseSync } from 'node:sqlite';
import { BirthmarkError } from '#common/protocol/errors.ts';

/** What leads from each version to the next; the first from an empty file. Never changed once released. */
const STEPS: readonly string[] = [
	`
	CREATE TABLE volumes (name TEXT PRIMARY KEY) STRICT;
	CREATE TABLE identities (
		position INTEGER PRIMARY KEY AUTOINCREMENT, volume TEXT NOT NULL, container_id TEXT NOT NULL UNIQUE, authorization_id TEXT NOT NULL,
		common_name TEXT NOT NULL, organizational_unit TEXT NOT NULL, dns_names TEXT NOT NULL,
		uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL, ca_way TEXT NOT NULL, start_id TEXT
	) STRICT;
	CREATE INDEX identities_by_volume ON identities (volume, position);
	CREATE TABLE mounts (volume TEXT NOT NULL, mount_id TEXT NOT NULL, holds INTEGER NOT NULL, PRIMARY KEY (volume, mount_id)) STRICT;
	CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, authorization_id TEXT NOT NULL, start_id TEXT) STRICT;
	`,
	`
	CREATE TABLE births (container_id TEXT PRIMARY KEY, request TEXT NOT NULL) STRICT;
	ALTER TABLE outbox ADD COLUMN abandoned TEXT;
	`,
	// The image that was decided on, the limits of the tmpfs, the name under which the CA knows the
	// container; tasks of services, each of which has one container, and the services that they are of.
	`
	ALTER TABLE identities ADD COLUMN image_id TEXT NOT NULL DEFAULT '';
	ALTER TABLE identities ADD COLUMN container_name TEXT NOT NULL DEFAULT '';
	ALTER TABLE identities ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 1048576;
	ALTER TABLE identities ADD COLUMN inodes INTEGER NOT NULL DEFAULT 128;
	ALTER TABLE identities ADD COLUMN task_id TEXT;
	CREATE UNIQUE INDEX identities_by_task ON identities (task_id);
	CREATE TABLE services (position INTEGER PRIMARY KEY AUTOINCREMENT, service_id TEXT NOT NULL, spec TEXT NOT NULL, UNIQUE (service_id, spec)) STRICT;
	`,
	// Two ways to deliver an identity, and what labels say to the agent.
	`
	ALTER TABLE identities ADD COLUMN delivery TEXT NOT NULL DEFAULT 'volume';
	ALTER TABLE identities ADD COLUMN agent_mode TEXT NOT NULL DEFAULT 'none';
	ALTER TABLE identities ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
	`,
];

/**
 * Brings a file to this version, in one transaction.
 *
 * @param path for the message
 * @throws BirthmarkError `config-invalid` for a file of a newer version, which is left as it is
 */
export function migrateRecords(database: DatabaseSync, path: string): void {
	const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
	if (version > STEPS.length) {
		throw new BirthmarkError('config-invalid', `${path} was written by a newer version of the plugin; install that one`);
	}
	if (version < STEPS.length) database.exec(`BEGIN; ${STEPS.slice(version).join('')} PRAGMA user_version=${STEPS.length}; COMMIT`);
}
