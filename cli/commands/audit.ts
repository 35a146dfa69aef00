/** `birthmark audit`: what was decided, by whom; the log as a file; and the proof that nobody has touched it. */

import type { Command } from 'commander';
import { createAuditVerifier, formatAuditHead, parseAuditHead, type AuditFault, type AuditHead, type AuditRecord } from '#common/protocol/audit-chain.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { AuditPage } from '#common/protocol/messages.ts';
import { auditLines, auditRecords, fileLines } from '../audit-log.ts';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { formatTable } from '../output.ts';

export function addAudit(program: Command, context: Context): void {
	const audit = program.command('audit').description('the audit log: who decided what, and whether the log is untouched');

	audit
		.command('ls')
		.description('the newest records')
		.option('-n, --lines <count>', 'how many', parseCount, 50)
		.option('--json', 'print JSON')
		.action(async ({ lines }: { lines: number }) => {
			const ca = context.ca();
			const { head } = await ca.json<AuditPage>('GET', '/v1/audit?limit=0');
			const records = await Array.fromAsync(auditRecords(ca, Math.max(0, head.sequence - lines)));
			if (context.wantsJson()) return context.output.json({ records, head });
			if (records.length === 0) return context.output.line('nothing was decided yet');
			context.output.line(formatTable(['NUMBER', 'AT', 'WHO', 'FROM', 'WHAT', 'OUTCOME', 'ABOUT', 'DETAILS'], records.map(row)));
		});

	audit
		.command('export')
		.description('the log as JSON lines, for keeping elsewhere')
		.option('--after <number>', 'only what comes after this record', parseCount, 0)
		.option('--json', 'the lines are JSON in any case')
		.action(async ({ after }: { after: number }) => {
			for await (const line of auditLines(context.ca(), after)) context.output.line(line);
		});

	audit
		.command('verify')
		.description('prove that no record was changed, removed or added, or name the first that is broken')
		.option('--file <path>', 'an export instead of the CA\'s log')
		.option('--expect <number:hash>', 'a head that was noted before: shows a log that was cut off or written anew', parseHead)
		.option('--after <number:hash>', 'the head on which the file joins, when it does not begin with the first record', parseHead)
		.option('--json', 'print JSON')
		.action(async ({ file, expect, after }: { file?: string; expect?: AuditHead; after?: AuditHead }) => {
			if (expect && after && expect.sequence < after.sequence) throw new BirthmarkError('usage', `--expect ${expect.sequence}:… lies before --after ${after.sequence}:…, so nothing here can be compared with it`);
			const lines = file === undefined ? auditLines(context.ca(), after?.sequence ?? 0) : fileLines(file);
			const { fault, head } = await verify(lines, after, expect);
			if (fault) process.exitCode = ExitCode.unhealthy;
			if (context.wantsJson()) return context.output.json({ intact: !fault, ...(fault && { fault }), head });
			if (fault) return context.output.line(context.output.paint('red', `broken: ${fault.sentence}`));
			context.output.line(`${context.output.paint('green', 'intact')}, ${head.sequence} records; head ${formatAuditHead(head)}`);
			if (!expect) context.output.line('Note the head elsewhere and give it to the next run with --expect: without it nobody can tell whether the end was cut off or all was written anew.');
		});
}

async function verify(lines: AsyncIterable<string>, after: AuditHead | undefined, expected: AuditHead | undefined): Promise<{ fault?: AuditFault; head: AuditHead }> {
	const verifier = createAuditVerifier(after, expected);
	for await (const line of lines) {
		const fault = verifier.takeLine(line);
		if (fault) return { fault, head: verifier.head };
	}
	const fault = verifier.end();
	return { ...(fault && { fault }), head: verifier.head };
}

function row({ sequence, at, by, action, outcome, subject = '', details = {} }: AuditRecord): string[] {
	const who = [by.role, by.name].filter(Boolean).join(' ');
	const more = Object.entries(details).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' ');
	return [String(sequence), at, who, by.source ?? '', action, outcome, subject, more];
}

function parseCount(text: string): number {
	if (!/^\d{1,15}$/.test(text)) throw new BirthmarkError('usage', `"${text}" is not a number`);
	return Number(text);
}

function parseHead(text: string): AuditHead {
	const head = parseAuditHead(text);
	if (!head) throw new BirthmarkError('usage', 'a head is written NUMBER:HASH, as "birthmark audit verify" prints it');
	return head;
}
