/**
 * The schema, as migrations that only go forward: version n is reached by running the first n. A
 * migration that was released is never changed. Instants are milliseconds since 1970, lists are
 * JSON.
 */

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
];
