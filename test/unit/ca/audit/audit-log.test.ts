/** The audit log of a real CA: over its API, by the command, and by the CA's program on the database itself. */

import test from 'ava';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { formatAuditHead, type AuditHead } from '#common/protocol/audit-chain.ts';
import type { AuditPage } from '#common/protocol/messages.ts';
import { createLogger } from '#common/runtime/log.ts';
import { newKey, startCa, temporaryFolder, type TestCa } from '../../../support/ca.ts';
import { CA_MAIN } from '../../../support/ca-process.ts';
import { newCommand } from '../../../support/command.ts';

const page = async (ca: TestCa, query = ''): Promise<AuditPage> => (await ca.admin('GET', `/v1/audit${query}`)).json<AuditPage>();

/** `ca audit-verify` on the state folder. */
function verifyOffline(state: string, ...more: string[]): Promise<{ code: number; answer: { intact: boolean; fault?: { kind: string; sequence: number } } }> {
	return new Promise((resolve) => {
		const child = execFile(process.execPath, [CA_MAIN, 'audit-verify', '--state', state, '--json', ...more], (_error, stdout) => resolve({ code: child.exitCode ?? -1, answer: JSON.parse(stdout) as never }));
	});
}

function tamper(state: string, sql: string): void {
	const database = new DatabaseSync(join(state, 'ca', 'ca.db'));
	database.exec(sql);
	database.close();
}

test('whatever was answered is in the log by the time that it is read, and the log is right', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	await ca.enrol(node, 'web01', 'web');
	const { records, head } = await page(ca);
	t.is(records.at(-1)?.action, 'certificate.issue');
	t.is(records.length, head.sequence);
	t.deepEqual((await page(ca, `?after=${head.sequence - 2}`)).records.map(({ sequence }) => sequence), [head.sequence - 1, head.sequence]);
	t.is((await page(ca, '?limit=1')).records.length, 1);
	t.is((await page(ca, '?limit=0')).records.length, 0);
	for (const query of ['?after=x', '?limit=-1', '?limit=5001', '?after=1e3']) t.is((await ca.admin('GET', `/v1/audit${query}`)).json()['code'], 'request-malformed', query);
});

test('a refusal says who was refused what and why', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1', ['web*/web']);
	const refusedName = await ca.request('POST', '/v1/authorize', { credentials: node, body: { commonName: 'db01', organizationalUnit: 'db', dnsNames: [], image: 'x', containerId: 'a'.repeat(64) } });
	await ca.request('GET', '/v1/nodes', { credentials: node });
	await ca.request('PUT', '/v1/sign/nonsense', { body: newKey().csr() });
	await ca.request('GET', '/v1/no-such-route');
	const refused = (await page(ca)).records.filter(({ outcome }) => outcome === 'refused');
	t.deepEqual(refused.map(({ by, action, details }) => [by.role, by.name, by.source, action, details]), [
		['node', 'host1', '127.0.0.1', 'POST /v1/authorize', { code: 'name-not-allowed', detail: refusedName.json()['detail'] }],
		['node', 'host1', '127.0.0.1', 'GET /v1/nodes', { code: 'forbidden', detail: 'this is for the role operator, and the caller is a node' }],
		['anonymous', '', '127.0.0.1', 'PUT /v1/sign/:token', { code: 'token-malformed' }],
	]);
	t.regex(String(refused[0]!.details?.['detail']), /db01/);
});

test('of many revocations at once each that is refused is recorded', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	await ca.join('host2');
	const { cert } = await ca.enrol(node, 'web01', 'web');
	const serial = new X509Certificate(cert).serialNumber.toLowerCase();
	const body = { revocations: [{ serial }, { serial: '4'.repeat(32) }, { node: 'host2' }] };
	t.is((await ca.request('POST', '/v1/revocations', { credentials: node, body })).json()['revoked'], 1);
	const records = (await page(ca)).records.filter(({ by, action }) => by.role === 'node' && /revo/.test(action));
	t.deepEqual(records.map(({ action, outcome, details }) => [action, outcome, details?.['code']]), [
		['certificate.revoke', 'done', undefined],
		['POST /v1/revocations', 'refused', 'certificate-unknown'],
		['POST /v1/revocations', 'refused', 'forbidden'],
	]);
});

test('that somebody was shut out is one record, however often he tries', async (t) => {
	const ca = await startCa(t, { config: { blackhole: { addressFailures: 3, shutOutSeconds: 600 } } });
	for (let attempt = 0; attempt < 10; attempt++) await ca.request('PUT', '/v1/sign/nonsense', { body: 'x' });
	const { records } = await page(ca);
	t.like(records.filter(({ action }) => action === 'source.shut-out'), [{ by: { role: 'system' }, subject: '127.0.0.1', details: { kind: 'address', seconds: 600, code: 'token-malformed' } }]);
	t.is(records.filter(({ outcome }) => outcome === 'refused').length, 3);
});

test('a CA that stops seals what it has decided, and says the head', async (t) => {
	const lines: string[] = [];
	const ca = await startCa(t, { logger: createLogger('ca', 'info', (line) => lines.push(line)) });
	await ca.join('host1');
	await ca.close();
	const said = lines.map((line) => JSON.parse(line) as Record<string, string>).find(({ message }) => message === 'audit log sealed')!['head']!;
	t.deepEqual(await verifyOffline(ca.state, '--expect', said), { code: 0, answer: { intact: true, head: { sequence: Number(said.split(':')[0]), hash: said.split(':')[1] }, pending: 0 } as never });
});

test('what is no event does not keep the events behind it from being sealed, and shows', async (t) => {
	const ca = await startCa(t);
	await ca.close();
	for (const body of ['x', 'null', '{"sequence":9}']) tamper(ca.state, `INSERT INTO audit_pending (body) VALUES ('${body}')`);
	const again = await startCa(t, { state: ca.state });
	await again.join('host1');
	const { records, head } = await page(again);
	t.deepEqual(records.filter(({ action }) => action === 'unreadable').map(({ details }) => details?.['body']), ['x', 'null', '{"sequence":9}']);
	t.true(records.some(({ action }) => action === 'node.join'));
	await again.close();
	t.like(await verifyOffline(ca.state, '--expect', formatAuditHead(head)), { code: 0, answer: { intact: true } });
});

const TAMPERINGS: ReadonlyArray<readonly [what: string, sql: string, kind: string, sequence: number]> = [
	['a name that is changed', `UPDATE audit_log SET body = replace(body, 'host1', 'host2') WHERE sequence = (SELECT min(sequence) FROM audit_log WHERE body LIKE '%node.join%')`, 'modified', 0],
	['a blank that is put in', `UPDATE audit_log SET body = ' ' || body WHERE sequence = 2`, 'modified', 2],
	['a field that is added where no hash counts it', `UPDATE audit_log SET body = replace(body, '"outcome":', '"hash":"0","outcome":') WHERE sequence = 2`, 'modified', 2],
	['a body that is no JSON', `UPDATE audit_log SET body = 'x' WHERE sequence = 2`, 'modified', 2],
	['a record that is deleted', 'DELETE FROM audit_log WHERE sequence = 2', 'missing', 2],
	['the first record deleted', 'DELETE FROM audit_log WHERE sequence = 1', 'missing', 1],
	['two records that are exchanged', `UPDATE audit_log SET sequence = -sequence WHERE sequence IN (2, 3); UPDATE audit_log SET sequence = 5 + sequence WHERE sequence < 0`, 'modified', 2],
	['the end cut off', 'DELETE FROM audit_log WHERE sequence > 2', 'truncated', 3],
	['all records after one renumbered', 'DELETE FROM audit_log WHERE sequence = 2; UPDATE audit_log SET sequence = sequence - 1 WHERE sequence > 2', 'modified', 2],
];
for (const [what, sql, kind, sequence] of TAMPERINGS) {
	test(`${what} is found in the database`, async (t) => {
		const ca = await startCa(t);
		await ca.enrol(await ca.join('host1'), 'web01', 'web');
		const { head } = await page(ca);
		await ca.close();
		tamper(ca.state, sql);
		const { code, answer } = await verifyOffline(ca.state, '--expect', formatAuditHead(head));
		t.is(code, 1);
		t.false(answer.intact);
		t.is(answer.fault?.kind, kind);
		if (sequence > 0) t.is(answer.fault?.sequence, sequence);
	});
}

test('the command lists, exports and verifies, and finds what was changed in an export', async (t) => {
	const ca = await startCa(t);
	await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const listed = await birthmark(['audit', 'ls', '--lines', '2']);
	t.is(listed.stdout.trimEnd().split('\n').length, 3);
	t.regex(listed.stdout, /certificate\.issue/);

	const exported = await birthmark(['audit', 'export']);
	t.is(exported.code, 0);
	const { head, intact } = (await birthmark(['audit', 'verify', '--json'])).json<{ head: AuditHead; intact: boolean }>();
	t.true(intact);
	const file = join(temporaryFolder(t), 'audit.jsonl');
	writeFileSync(file, exported.stdout);
	const good = await birthmark(['audit', 'verify', '--file', file, '--expect', formatAuditHead(head)]);
	t.is(good.code, 0, good.stdout);
	t.regex(good.stdout, new RegExp(`^intact, ${head.sequence} records; head ${formatAuditHead(head)}\n$`));

	writeFileSync(file, readFileSync(file, 'utf8').replace('"name":"host1"', '"name":"host9"'));
	const bad = await birthmark(['audit', 'verify', '--file', file, '--json']);
	t.is(bad.code, 3);
	t.like(bad.json(), { intact: false, fault: { kind: 'modified' } });

	const from = (await page(ca, '?after=1&limit=1')).records[0]!;
	const rest = await birthmark(['audit', 'export', '--after', '2']);
	writeFileSync(file, rest.stdout);
	t.is((await birthmark(['audit', 'verify', '--file', file])).code, 3);
	t.is((await birthmark(['audit', 'verify', '--file', file, '--after', formatAuditHead(from), '--expect', formatAuditHead(head)])).code, 0);

	const other = `${from.sequence}:${'0'.repeat(64)}`;
	t.is((await birthmark(['audit', 'verify', '--file', file, '--after', formatAuditHead(from), '--expect', other])).code, 3);
	t.is((await birthmark(['audit', 'verify', '--file', file, '--after', formatAuditHead(from), '--expect', `1:${'0'.repeat(64)}`])).code, 2);

	t.is((await birthmark(['audit', 'verify', '--file', '/nonexistent'])).code, 6);
	t.is((await birthmark(['audit', 'verify', '--expect', 'x'])).code, 2);
});
