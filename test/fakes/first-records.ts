/** The plugin's records as its first version made them, for tests of what becomes of them. */

/** As statements for an empty file. Not taken from the plugin's own schema, which must still know it. */
export const FIRST_VERSION = `
	CREATE TABLE volumes (name TEXT PRIMARY KEY) STRICT;
	CREATE TABLE identities (
		position INTEGER PRIMARY KEY AUTOINCREMENT, volume TEXT NOT NULL, container_id TEXT NOT NULL UNIQUE, authorization_id TEXT NOT NULL,
		common_name TEXT NOT NULL, organizational_unit TEXT NOT NULL, dns_names TEXT NOT NULL,
		uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL, ca_way TEXT NOT NULL, start_id TEXT
	) STRICT;
	CREATE INDEX identities_by_volume ON identities (volume, position);
	CREATE TABLE mounts (volume TEXT NOT NULL, mount_id TEXT NOT NULL, holds INTEGER NOT NULL, PRIMARY KEY (volume, mount_id)) STRICT;
	CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, authorization_id TEXT NOT NULL, start_id TEXT) STRICT;
	PRAGMA user_version=1;
`;
