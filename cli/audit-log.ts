/** The audit log from the CA, page by page, or from a file of lines. */

import { createReadStream } from 'node:fs';
import { auditLine, type AuditRecord } from '#common/protocol/audit-chain.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { AuditPage } from '#common/protocol/messages.ts';
import type { CaClient } from './ca-client.ts';

const PAGE = 1000;

/** Everything after record number `after` that was there when it began. */
export async function* auditRecords(ca: Pick<CaClient, 'json'>, after: number): AsyncGenerator<AuditRecord> {
	let last: number | undefined;
	for (let at = after; last === undefined || at < last;) {
		const { records, head } = await ca.json<AuditPage>('GET', `/v1/audit?after=${at}&limit=${PAGE}`);
		last ??= head.sequence;
		yield* records;
		if (records.length < PAGE) return;
		at = records.at(-1)!.sequence;
	}
}

/** The same as lines of an export. */
export async function* auditLines(ca: Pick<CaClient, 'json'>, after: number): AsyncGenerator<string> {
	for await (const record of auditRecords(ca, after)) yield auditLine(record);
}

/**
 * Lines end with `\n`, or `\r\n` where the file was taken through an editor: `node:readline` would also
 * end them where a string contains U+2028, which JSON does not escape.
 *
 * @throws BirthmarkError `not-found`
 */
export async function* fileLines(path: string): AsyncGenerator<string> {
	const input = createReadStream(path, 'utf8');
	let rest = '';
	try {
		for await (const chunk of input as AsyncIterable<string>) {
			const lines = (rest + chunk).split('\n');
			rest = lines.pop()!;
			for (const line of lines) yield line.replace(/\r$/, '');
		}
		if (rest !== '') yield rest;
	} catch (cause) {
		throw new BirthmarkError('not-found', `the file ${path} cannot be read: ${(cause as Error).message}`, { cause });
	} finally {
		input.destroy();
	}
}
