/**
 * The contents of a database as lines of text, the same for every backend: one JSON array
 * `["table", {column: value}]` a row, bytes as `{"base64": "…"}`. For backups.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Row, Snapshot, Sql, Value } from './database.ts';
import { MIGRATIONS } from './schema.ts';

/** In the order in which they were made, so that a row comes after those that it refers to. */
export const TABLES: readonly string[] = MIGRATIONS.flatMap((migration) => [...migration.matchAll(/CREATE TABLE (\w+)/g)].map((match) => match[1]!));
const COLUMN = /^[a-z][a-z_]*$/;
/** Any row in one of these means that there is a CA. */
const INHABITED = ['authorities', 'certificates', 'nodes', 'audit_log', 'audit_pending'];

/** @throws BirthmarkError `ca-missing` when the schema is not the one that this program knows */
export async function* dumpRows(view: Snapshot): AsyncGenerator<string> {
	for await (const { version } of view.rows('SELECT version FROM schema_version')) requireSchema(version);
	for (const table of TABLES) {
		for await (const row of view.rows(`SELECT * FROM ${table}`)) yield JSON.stringify([table, toJson(row)]);
	}
}

/**
 * Fills an empty database, within the transaction of the caller.
 *
 * @returns how many rows
 * @throws BirthmarkError `ca-exists` when it is not empty, `backup-damaged` when a line makes no sense
 */
export async function loadRows(sql: Sql, lines: AsyncIterable<string>): Promise<number> {
	for (const table of INHABITED) {
		if (await sql.get(`SELECT 1 FROM ${table} LIMIT 1`)) throw new BirthmarkError('ca-exists', 'there is already a CA in this database: nothing was restored');
	}
	// What the migrations have put there.
	for (const table of TABLES.toReversed()) await sql.run(`DELETE FROM ${table}`);
	let rows = 0;
	for await (const line of lines) {
		const { table, values } = parseRow(line);
		const columns = Object.keys(values);
		await sql.run(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((column) => `:${column}`).join(', ')})`, values);
		rows++;
	}
	return rows;
}

export function requireSchema(version: unknown): void {
	if (version === MIGRATIONS.length) return;
	throw new BirthmarkError('ca-missing', `the database or backup has version ${String(version)} and this program knows ${MIGRATIONS.length}: use the program that it belongs to`);
}

function parseRow(line: string): { table: string; values: Record<string, Value> } {
	const [table, row] = parse(line);
	if (typeof table !== 'string' || !TABLES.includes(table) || typeof row !== 'object' || row === null) throw malformed();
	const values = Object.entries(row).map(([column, value]) => {
		if (!COLUMN.test(column)) throw malformed();
		return [column, fromJson(value)] as const;
	});
	return { table, values: Object.fromEntries(values) };
}

function parse(line: string): readonly unknown[] {
	try {
		const value: unknown = JSON.parse(line);
		if (Array.isArray(value) && value.length === 2) return value;
	} catch {
		// said below
	}
	throw malformed();
}

function toJson(row: Row): Record<string, unknown> {
	return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value]));
}

function fromJson(value: unknown): Value {
	if (value === null || typeof value === 'string' || typeof value === 'number') return value;
	const { base64 } = value as { base64?: unknown };
	if (typeof base64 !== 'string') throw malformed();
	return Buffer.from(base64, 'base64');
}

function malformed(): BirthmarkError {
	return new BirthmarkError('backup-damaged', 'a line of the backup is no row of any table: take another copy of it');
}
