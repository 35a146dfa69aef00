/**
 * The file of a backup: gzip (RFC 1952) over lines of JSON. The first line says what it is and has the
 * configuration, the last one how many rows there were and the SHA-256 over every line before it; so a
 * file that was cut off or changed by accident is not taken for whole. What proves who made it is up
 * to whoever keeps it.
 */

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { takeNewName } from './new-file.ts';

const headerSchema = z.strictObject({
	birthmarkBackup: z.literal(1),
	/** version of the schema */
	schema: z.int(),
	/** RFC 3339 */
	madeAt: z.iso.datetime(),
	/** contents of config.json */
	config: z.string(),
});
const footerSchema = z.strictObject({ rows: z.int(), sha256: z.hex().length(64) });

/**
 * Characters of a line at most, half of what a string may have. The longest row is a revocation list;
 * a few kilobytes of gzip can be a line of gigabytes.
 */
const MAX_LINE_LENGTH = 256 * 1024 * 1024;

export type BackupHeader = z.output<typeof headerSchema>;

/**
 * Writes the file, for its owner only, and makes it durable; there is all of it or nothing.
 *
 * @param rows one line each
 * @returns how many
 * @throws BirthmarkError `usage` when there is such a file, or none can be made
 */
export async function writeBackup(path: string, header: BackupHeader, rows: AsyncIterable<string>): Promise<number> {
	const exists = (cause?: unknown) => new BirthmarkError('usage', `${path} exists: give the backup another name`, { cause });
	if (existsSync(path)) throw exists();
	const unfinished = `${path}.unfinished-${randomBytes(6).toString('hex')}`;
	let count = 0;
	async function* lines(): AsyncGenerator<string> {
		const hash = createHash('sha256');
		const line = (text: string): string => {
			hash.update(`${text}\n`);
			return `${text}\n`;
		};
		yield line(JSON.stringify(header));
		for await (const row of rows) {
			count++;
			yield line(row);
		}
		yield `${JSON.stringify({ rows: count, sha256: hash.digest('hex') })}\n`;
	}
	try {
		await pipeline(Readable.from(lines()), createGzip(), createWriteStream(unfinished, { flags: 'wx', mode: 0o600, flush: true }));
		await takeNewName(unfinished, path);
	} catch (error) {
		// Where nothing can be made nothing can be removed either.
		await rm(unfinished, { force: true }).catch(() => undefined);
		// Somebody made it meanwhile.
		if (isOfFileSystem(error) && error.code === 'EEXIST') throw exists(error);
		throw isOfFileSystem(error) ? new BirthmarkError('usage', `${path} cannot be written (${error.message}): name a file in a folder that is there and has room`, { cause: error }) : error;
	}
	const folder = await open(dirname(path), 'r');
	await folder.sync().finally(() => folder.close());
	return count;
}

/** @throws BirthmarkError `backup-damaged`, `usage` when the file cannot be read */
export async function readHeader(path: string, maxLineLength = MAX_LINE_LENGTH): Promise<BackupHeader> {
	for await (const line of readLines(path, maxLineLength)) return parse(headerSchema, line);
	throw damaged();
}

/**
 * The rows of the file. Only when this has ended, and not thrown, all of them were as they were written.
 *
 * @throws BirthmarkError `backup-damaged`, `usage` when the file cannot be read
 */
export async function* readRows(path: string, maxLineLength = MAX_LINE_LENGTH): AsyncGenerator<string> {
	const hash = createHash('sha256');
	let previous: string | undefined;
	let count = -1;
	for await (const line of readLines(path, maxLineLength)) {
		if (previous !== undefined) {
			hash.update(`${previous}\n`);
			if (count >= 0) yield previous;
			count++;
		}
		previous = line;
	}
	const { rows, sha256 } = parse(footerSchema, previous ?? '');
	if (rows !== count || sha256 !== hash.digest('hex')) throw damaged();
}

/** Lines end with `\n` and nothing else: `node:readline` would also end them where a string contains U+2028. */
async function* readLines(path: string, maxLineLength: number): AsyncGenerator<string> {
	const source = createReadStream(path);
	const text = source.pipe(createGunzip()).setEncoding('utf8');
	source.on('error', (error) => text.destroy(error));
	let rest: string[] = [];
	let length = 0;
	try {
		for await (const chunk of text as AsyncIterable<string>) {
			const [end, ...lines] = chunk.split('\n') as [string, ...string[]];
			// Not put together before it is whole: what is long would be copied with each chunk.
			rest.push(end);
			length += end.length;
			if (length > maxLineLength) throw damaged();
			if (lines.length === 0) continue;
			yield rest.join('');
			const next = lines.pop()!;
			[rest, length] = [[next], next.length];
			yield* lines;
		}
	} catch (cause) {
		if (String((cause as { code?: unknown }).code).startsWith('Z_')) throw damaged(cause);
		throw isOfFileSystem(cause) ? new BirthmarkError('usage', `${path} cannot be read (${cause.message}): name the file of a backup`, { cause }) : cause;
	} finally {
		source.destroy();
	}
	if (length > 0) throw damaged();
}

function parse<Schema extends z.ZodType>(schema: Schema, line: string): z.output<Schema> {
	try {
		return schema.parse(JSON.parse(line));
	} catch (cause) {
		throw damaged(cause);
	}
}

/** As against one of the database that the rows come from. */
function isOfFileSystem(error: unknown): error is NodeJS.ErrnoException {
	return error instanceof Error && 'syscall' in error;
}

function damaged(cause?: unknown): BirthmarkError {
	return new BirthmarkError('backup-damaged', 'the file is no backup of a CA, or it is not as it was written: take another copy', { cause });
}
