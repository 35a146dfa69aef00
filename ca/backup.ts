/**
 * `backup` and `restore`: the whole CA in one file that fits either kind of database, taken while it
 * serves. The keys of the CA are in it as the database has them, encrypted; the key that they are
 * encrypted under is not.
 */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { systemClock, type Clock } from '#common/runtime/clock.ts';
import { readHeader, readRows, writeBackup } from './backup-file.ts';
import { readCaConfig, type CaConfig } from './config.ts';
import { KEY_VARIABLE } from './key-encryption.ts';
import { requireState } from './open-state.ts';
import { caExists, caExistsError, makeCaFolder, makeStateFolder, statePaths } from './state-folder.ts';
import { openDatabase, withSnapshot } from './store/open-store.ts';
import { dumpRows, loadRows, requireSchema } from './store/portable.ts';
import { takeOver } from './store/restored.ts';
import { MIGRATIONS } from './store/schema.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface BackupOptions {
	readonly state: string;
	/** of the file */
	readonly out: string;
	readonly config: CaConfig;
	readonly clock?: Clock;
}

export interface RestoreOptions {
	readonly state: string;
	/** of the file */
	readonly from: string;
	/** environment variables that override the configuration */
	readonly env: Environment;
	readonly clock?: Clock;
}

export interface RestoreResult {
	readonly rows: number;
	readonly madeAt: Date;
	/** where the CA will look for the key-encryption key, if it is not there yet */
	readonly missingKey?: string;
}

/**
 * @returns how many rows were written
 * @throws BirthmarkError `ca-missing`, `ca-unavailable`, `usage` when the file exists or cannot be made
 */
export async function backupCa({ state, out, config, clock = systemClock }: BackupOptions): Promise<number> {
	await requireState({ state, config });
	const paths = statePaths(state);
	// An instance on a database server may have its configuration from the environment alone.
	const text = existsSync(paths.config) ? await readFile(paths.config, 'utf8') : '{}';
	const header = { birthmarkBackup: 1, schema: MIGRATIONS.length, madeAt: clock.now().toISOString(), config: text } as const;
	return withSnapshot(config.database, paths.database, (view) => writeBackup(out, header, dumpRows(view)));
}

/**
 * Restores into a folder without a CA, or a database without one. A `config.json` that lies in the
 * folder already is respected: it may say that the CA moves to another database.
 *
 * @throws BirthmarkError `ca-exists`, `backup-damaged`, `ca-missing` (of another version), `config-invalid`, `ca-unavailable`,
 * `usage` when the file cannot be read; nothing was restored then
 */
export async function restoreCa({ state, from, env, clock = systemClock }: RestoreOptions): Promise<RestoreResult> {
	if (caExists(state)) throw caExistsError(state);
	const header = await readHeader(from);
	requireSchema(header.schema);
	const paths = statePaths(state);
	const text = existsSync(paths.config) ? await readFile(paths.config, 'utf8') : header.config;
	const config = readCaConfig(text, env);
	const madeAt = new Date(header.madeAt);
	const now = clock.now();
	const userTokensUntil = new Date(now.getTime() + config.userTokens.skewSeconds * 1000);
	const fill = async (file: string): Promise<number> => {
		const database = await openDatabase(config.database, file);
		try {
			return await database.fill((sql) => loadRows(sql, readRows(from)), (sql) => takeOver(sql, { now, madeAt, userTokensUntil }));
		} finally {
			await database.close();
		}
	};
	let rows = 0;
	if (config.database.url === null) {
		await makeStateFolder(state, text);
		await makeCaFolder(state, async (file) => {
			rows = await fill(file);
		});
	} else {
		rows = await fill('');
		await makeStateFolder(state, text);
	}
	const key = config.keyEncryption.file ?? paths.keyEncryptionKey;
	const isKeyThere = Boolean(env[KEY_VARIABLE]) || existsSync(key);
	return { rows, madeAt, ...(!isKeyThere && { missingKey: key }) };
}
