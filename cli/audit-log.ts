/** The audit log from the CA, page by page, or from a file of lines. */

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline/promises';
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

/** @throws BirthmarkError `not-found` */
export async function* fileLines(path: string): AsyncGenerator<string> {
	const input = createReadStream(path);
	try {
		yield* createInterface({ input, crlfDelay: 0 });
	} catch (cause) {
		throw new BirthmarkError('not-found', `the file ${path} cannot be read: ${(cause as Error).message}`, { cause });
	} finally {
		input.destroy();
	}
}
