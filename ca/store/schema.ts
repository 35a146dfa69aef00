/**
 * The schema, as migrations that only go forward: version n is reached by running the first n. A
 * migration that was released is never changed. Instants are milliseconds since 1970, lists are
 * JSON. Written for SQLite; `postgresMigration` says the same to PostgreSQL.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';

export const MIGRATIONS: readonly string[] = [
	`
	CREATE TABLE nodes (
		name TEXT PRIMARY KEY,
		status TEXT NOT NULL CHECK (status IN ('active', 'cut-off')),
		allow TEXT NOT NULL,
		joined_at INTEGER NOT NULL
	) STRICT;

	CREATE TABLE certificates (
		sequence INTEGER PRIMARY KEY AUTOINCREMENT,
		serial TEXT NOT NULL UNIQUE,
		der BLOB NOT NULL,
		public_key_hash BLOB NOT NULL,
		role TEXT NOT NULL CHECK (role IN ('workload', 'node', 'operator', 'ca')),
		common_name TEXT NOT NULL,
		organizational_unit TEXT NOT NULL,
		organization TEXT NOT NULL,
		dns_names TEXT NOT NULL,
		spiffe_id TEXT NOT NULL,
		node TEXT,
		authorization_id TEXT,
		start_id TEXT,
		chain TEXT NOT NULL,
		parent_serial TEXT,
		renewals INTEGER NOT NULL,
		issued_at INTEGER NOT NULL,
		not_before INTEGER NOT NULL,
		not_after INTEGER NOT NULL,
		revoked_at INTEGER,
		revocation_reason TEXT
	) STRICT;
	CREATE INDEX certificates_by_key ON certificates (public_key_hash);
	CREATE INDEX certificates_by_chain ON certificates (chain);
	CREATE INDEX certificates_by_authorization ON certificates (authorization_id);
	CREATE INDEX certificates_by_name ON certificates (common_name);
	CREATE INDEX certificates_by_node ON certificates (node);
	CREATE INDEX certificates_by_end ON certificates (not_after);
	CREATE INDEX certificates_revoked ON certificates (not_after) WHERE revoked_at IS NOT NULL;

	CREATE TABLE join_tokens (
		hash BLOB PRIMARY KEY,
		role TEXT NOT NULL CHECK (role IN ('node', 'operator')),
		name TEXT,
		allow TEXT NOT NULL,
		created_at INTEGER NOT NULL,
		expires_at INTEGER NOT NULL,
		redeemed_at INTEGER,
		serial TEXT REFERENCES certificates (serial)
	) STRICT;

	CREATE TABLE authorizations (
		id TEXT PRIMARY KEY,
		node TEXT NOT NULL REFERENCES nodes (name),
		container_id TEXT NOT NULL,
		container_name TEXT,
		image TEXT NOT NULL,
		image_id TEXT,
		common_name TEXT NOT NULL,
		organizational_unit TEXT NOT NULL,
		dns_names TEXT NOT NULL,
		lifetime_seconds INTEGER NOT NULL,
		created_at INTEGER NOT NULL,
		ended_at INTEGER,
		UNIQUE (node, container_id)
	) STRICT;

	CREATE TABLE tokens (
		hash BLOB PRIMARY KEY,
		authorization_id TEXT NOT NULL REFERENCES authorizations (id),
		start_id TEXT NOT NULL,
		expires_at INTEGER NOT NULL,
		redeemed_at INTEGER,
		serial TEXT REFERENCES certificates (serial)
	) STRICT;
	CREATE INDEX tokens_by_authorization ON tokens (authorization_id);
	CREATE INDEX tokens_by_expiry ON tokens (expires_at);

	CREATE TABLE closed_starts (
		authorization_id TEXT NOT NULL REFERENCES authorizations (id),
		start_id TEXT NOT NULL,
		closed_at INTEGER NOT NULL,
		PRIMARY KEY (authorization_id, start_id)
	) STRICT, WITHOUT ROWID;

	CREATE TABLE counters (
		name TEXT PRIMARY KEY,
		value INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	INSERT INTO counters (name, value) VALUES ('crl-number', 0), ('health', 0);
	`,
	`
	ALTER TABLE join_tokens ADD COLUMN cancelled_at INTEGER;
	ALTER TABLE tokens ADD COLUMN cancelled_at INTEGER;
	`,
	`
	ALTER TABLE certificates ADD COLUMN issuer_generation INTEGER NOT NULL DEFAULT 1;
	ALTER TABLE certificates ADD COLUMN user_name TEXT;
	ALTER TABLE certificates ADD COLUMN cfssl_client TEXT;
	ALTER TABLE certificates ADD COLUMN intermediates TEXT;
	ALTER TABLE certificates ADD COLUMN bundle_digest BLOB;
	CREATE INDEX certificates_by_user ON certificates (user_name) WHERE user_name IS NOT NULL;
	ALTER TABLE certificates ADD COLUMN crl_partition INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE certificates ADD COLUMN revocation_version INTEGER;
	CREATE INDEX certificates_revoked_by_partition ON certificates (crl_partition, revocation_version) WHERE revocation_version IS NOT NULL;
	ALTER TABLE authorizations ADD COLUMN profile TEXT;
	CREATE INDEX authorizations_ended ON authorizations (ended_at) WHERE ended_at IS NOT NULL;
	CREATE INDEX tokens_by_certificate ON tokens (serial);
	CREATE INDEX join_tokens_by_certificate ON join_tokens (serial);

	CREATE TABLE audit_pending (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		body TEXT NOT NULL
	) STRICT;

	CREATE TABLE audit_log (
		sequence INTEGER PRIMARY KEY,
		body TEXT NOT NULL,
		previous BLOB NOT NULL,
		hash BLOB NOT NULL
	) STRICT;

	CREATE TABLE authorities (
		generation INTEGER PRIMARY KEY,
		state TEXT NOT NULL CHECK (state IN ('prepared', 'active', 'retiring', 'retired', 'aborted', 'void')),
		manual INTEGER NOT NULL,
		root TEXT NOT NULL,
		root_key TEXT,
		cross_certificate TEXT,
		intermediate TEXT NOT NULL,
		intermediate_key TEXT,
		root_crl TEXT NOT NULL,
		created_at INTEGER NOT NULL,
		changed_at INTEGER NOT NULL
	) STRICT;

	CREATE TABLE trust_bundles (
		digest BLOB PRIMARY KEY,
		bundle TEXT NOT NULL,
		published_at INTEGER NOT NULL
	) STRICT;

	CREATE TABLE revocation_lists (
		generation INTEGER NOT NULL,
		partition INTEGER NOT NULL,
		number INTEGER NOT NULL,
		revocation_version INTEGER NOT NULL,
		der BLOB NOT NULL,
		this_update INTEGER NOT NULL,
		next_update INTEGER NOT NULL,
		PRIMARY KEY (generation, partition)
	) STRICT;

	CREATE TABLE crl_partitions (
		partition INTEGER PRIMARY KEY,
		generation INTEGER NOT NULL,
		url TEXT NOT NULL,
		first_sequence INTEGER NOT NULL
	) STRICT;

	CREATE TABLE compromised_keys (
		public_key_hash BLOB PRIMARY KEY,
		revoked_at INTEGER NOT NULL
	) STRICT;

	CREATE TABLE acknowledgements (
		chain TEXT PRIMARY KEY,
		digest BLOB NOT NULL,
		at INTEGER NOT NULL
	) STRICT;

	CREATE TABLE users (
		name TEXT PRIMARY KEY,
		public_key TEXT NOT NULL,
		algorithm TEXT NOT NULL,
		allow TEXT NOT NULL,
		status TEXT NOT NULL CHECK (status IN ('active', 'cut-off')),
		created_at INTEGER NOT NULL
	) STRICT;

	CREATE TABLE used_token_ids (
		issuer TEXT NOT NULL,
		jti TEXT NOT NULL,
		expires_at INTEGER NOT NULL,
		serial TEXT NOT NULL,
		public_key_hash BLOB NOT NULL,
		redeemed_at INTEGER NOT NULL,
		PRIMARY KEY (issuer, jti)
	) STRICT;
	CREATE INDEX used_token_ids_by_expiry ON used_token_ids (expires_at);
	CREATE INDEX used_token_ids_by_certificate ON used_token_ids (serial);

	INSERT INTO counters (name, value) VALUES ('revocations', 0), ('trust', 0), ('audit', 0), ('token-uses', 0), ('restored', 0);
	`,
	`
	CREATE TABLE reloads (
		chain TEXT PRIMARY KEY,
		serial TEXT NOT NULL,
		renewals INTEGER NOT NULL,
		outcome TEXT NOT NULL,
		attempts INTEGER NOT NULL,
		served_serial TEXT,
		at INTEGER NOT NULL,
		verified_serial TEXT,
		verified_at INTEGER
	) STRICT;
	`,
	`
	CREATE TABLE renewal_demands (
		number INTEGER NOT NULL,
		serial TEXT NOT NULL,
		chain TEXT NOT NULL,
		node TEXT,
		demanded_at INTEGER NOT NULL,
		PRIMARY KEY (number, serial)
	) STRICT;
	CREATE INDEX renewal_demands_by_node ON renewal_demands (node, number);
	CREATE INDEX renewal_demands_by_certificate ON renewal_demands (serial);
	CREATE INDEX renewal_demands_by_chain ON renewal_demands (chain);
	INSERT INTO counters (name, value) VALUES ('renewal-demands', 0);
	`,
];

/**
 * What PostgreSQL wants beside. A serializable transaction is called off when another writes to an
 * index page that it has read, whoever's rows these are. So the tables that every birth goes through
 * are not read for foreign keys, which the methods keep by themselves (and SQLite watches over it
 * that they do), and a token is redeemed without writing to any index: none has a column that
 * changes, and the page of the row has room for its next version. The tables `…_turn` are locked by whoever has the turn.
 */
const POSTGRES_ONLY: Readonly<Record<number, string>> = {
	3: `
	ALTER TABLE authorizations DROP CONSTRAINT authorizations_node_fkey;
	ALTER TABLE closed_starts DROP CONSTRAINT closed_starts_authorization_id_fkey;
	ALTER TABLE tokens DROP CONSTRAINT tokens_authorization_id_fkey, DROP CONSTRAINT tokens_serial_fkey, SET (fillfactor = 40);
	DROP INDEX tokens_by_certificate;
	CREATE TABLE revocations_turn ();
	CREATE TABLE audit_turn ();
	`,
};

/**
 * A migration for PostgreSQL: other names for the types, no mode to ask for, and what it wants beside.
 *
 * @param version that it leads to, from 1
 */
export function postgresMigration(version: number): string {
	return MIGRATIONS[version - 1]!
		.replaceAll('INTEGER PRIMARY KEY AUTOINCREMENT', 'BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY')
		.replaceAll('INTEGER', 'BIGINT')
		.replaceAll('BLOB', 'BYTEA')
		.replaceAll(/\) STRICT(, WITHOUT ROWID)?;/g, ');')
		.concat(POSTGRES_ONLY[version] ?? '');
}

export function newerSchemaError(version: number): BirthmarkError {
	return new BirthmarkError('ca-missing', `the database has version ${version} and this program knows ${MIGRATIONS.length}: start the newer program that wrote it`);
}
