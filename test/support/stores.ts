/** The two backends of the store, for tests that have to hold on both. */

import type { TestFn } from 'ava';
import { join } from 'node:path';
import { createStore } from '../../ca/store/create-store.ts';
import type { Database } from '../../ca/store/database.ts';
import { openPostgresDatabase } from '../../ca/store/postgres-database.ts';
import { openSqliteDatabase } from '../../ca/store/sqlite-database.ts';
import type { Store } from '../../ca/store/store.ts';
import { temporaryFolder } from './ca.ts';
import { postgresPrograms, startPostgres, type TestPostgres } from './postgres.ts';

interface Test {
	teardown(clean: () => unknown): void;
}

export interface Backend {
	readonly name: 'SQLite' | 'PostgreSQL';
	/** registers a test; skips it where the backend's programs are missing */
	readonly test: TestFn['skip'] | TestFn;
	/** a database of its own, which goes with the test */
	database(t: Test): Promise<Database>;
	store(t: Test): Promise<Store>;
}

/** One server for the tests of a file, started when the first of them wants it. */
export function postgresFor(test: TestFn): { readonly server: () => Promise<TestPostgres>; readonly test: TestFn['skip'] | TestFn } {
	let server: Promise<TestPostgres> | undefined;
	test.after.always('the PostgreSQL server goes', async () => (await server)?.remove());
	return { server: () => (server ??= startPostgres()), test: postgresPrograms() ? test : test.skip };
}

/** Call it once in a test file. */
export function backends(test: TestFn): readonly Backend[] {
	const postgres = postgresFor(test);
	const backend = (name: Backend['name'], register: Backend['test'], open: (t: Test) => Promise<Database>): Backend => {
		const database = async (t: Test): Promise<Database> => {
			const opened = await open(t);
			t.teardown(() => opened.close());
			return opened;
		};
		return { name, test: register, database, store: async (t) => createStore(await database(t)) };
	};
	return [
		backend('SQLite', test, async (t) => openSqliteDatabase(join(temporaryFolder(t), 'ca.db'))),
		backend('PostgreSQL', postgres.test, async () => openPostgresDatabase({ url: await (await postgres.server()).newDatabase(), poolSize: 10 })),
	];
}
