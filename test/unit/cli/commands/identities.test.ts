/** `birthmark ls`, `show` and `revoke` against a real CA with real identities. */

import test from 'ava';
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Identity, IdentityList, RevokeAnswer } from '#common/protocol/messages.ts';
import { listenUnix } from '#common/runtime/listen.ts';
import { newContainerId, newKey, startCa, temporaryFolder, type Credentials, type TestCa } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';

const list = (ran: { json<T>(): T }) => ran.json<IdentityList>().identities;

async function serialOf(ca: TestCa, name: string): Promise<string> {
	return (await ca.admin('GET', `/v1/identities/${name}`)).json<IdentityList>().identities[0]!.serial;
}

test('ls shows the living, with --all the dead too', async (t) => {
	const ca = await startCa(t, { config: { trustDomain: 'example.org', environment: 'test' } });
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	t.is((await birthmark(['ls'])).stdout, 'no live identities (--all shows the dead too)\n');
	t.is((await birthmark(['ls', '--all'])).stdout, 'no identities yet\n');
	t.deepEqual((await birthmark(['ls', '--json'])).json(), { identities: [] });

	const host = await ca.join('host1');
	await ca.enrol(host, 'web01', 'web');
	const old = await ca.enrol(host, 'web02', 'web');
	await ca.request('POST', '/v1/renew', { credentials: old, body: newKey().csr() });
	const doomed = await ca.enrol(host, 'web03', 'web');
	await ca.request('POST', '/v1/revoke', { credentials: host, body: { authorizationId: doomed.authorizationId, reason: 'cessationOfOperation' } });

	const [header, ...rows] = (await birthmark(['ls'])).stdout.trimEnd().split('\n');
	t.deepEqual(header!.split(/ {2,}/), ['CN', 'ROLE', 'SPIFFE ID', 'CONTAINER', 'IMAGE', 'SERIAL', 'EXPIRES IN', 'RENEWALS']);
	const cells = rows.map((line) => line.split(/ {2,}/)).sort();
	t.is(cells.length, 2);
	t.deepEqual(cells[0]!.slice(0, 3), ['web01', 'web', 'spiffe://example.org/test/web/web01']);
	t.deepEqual(cells[0]!.slice(4), ['test:1', await serialOf(ca, 'web01'), '23h 59m', '0']);
	t.is(cells[1]!.at(-1), '1');

	const all = (await birthmark(['ls', '--all'])).stdout;
	t.regex(all, /^web03 .* revoked \(cessationOfOperation\) +- +0$/m);
	t.is(all.trimEnd().split('\n').length, 5); // the renewed one twice
	t.deepEqual(list(await birthmark(['--json', 'ls'])).map(({ commonName }) => commonName).sort(), ['web01', 'web02']);
	t.is(list(await birthmark(['ls', '-a', '--json'])).length, 4);
	t.false(all.includes('\u001b'));
});

test('what workloads tell of their certificates is in ls and show', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const host = await ca.join('host1');
	const report = (credentials: Credentials, body: object) => ca.request('POST', '/v1/reloads', { credentials, body });
	const web01 = await ca.enrol(host, 'web01', 'web');
	const web02 = await ca.enrol(host, 'web02', 'web');
	await ca.enrol(host, 'web03', 'web');
	t.is((await report(web01, { outcome: 'verified', attempts: 1 })).status, 204);
	t.is((await report(web02, { outcome: 'verified', attempts: 1 })).status, 204);
	const key = newKey();
	const renewed = { key: key.pem, cert: (await ca.request('POST', '/v1/renew', { credentials: web02, body: key.csr() })).text };
	const old = new X509Certificate(web02.cert).serialNumber.toLowerCase();
	const column = async () => Object.fromEntries((await birthmark(['ls'])).stdout.trimEnd().split('\n').map((line) => line.split(/ {2,}/)).map((cells) => [cells[0], cells.at(-1)]));
	t.deepEqual(await column(), { CN: 'RELOAD', web01: 'verified', web02: 'pending', web03: '-' });
	t.regex((await birthmark(['show', 'web02'])).stdout, new RegExp(`^reload +verified: .* about ${old}, nothing yet about this one`, 'm'));

	t.is((await report(renewed, { outcome: 'mismatch', attempts: 3, servedSerial: old.toUpperCase() })).status, 204);
	t.is((await column())['web02'], 'mismatch (3)');
	t.regex((await birthmark(['show', 'web02'])).stdout, new RegExp(`^reload +mismatch: the application serves another certificate, ${old} \\(.*, after 3 tries\\); last verified .* \\(${old}\\)$`, 'm'));
	const [newest, first] = list(await birthmark(['show', 'web02', '--json']));
	t.like(newest, { reload: { outcome: 'mismatch', attempts: 3, serial: newest!.serial, servedSerial: old, verifiedSerial: old } });
	t.is(first!.reload, undefined, 'a report about what came later says nothing about this one');
});

test('what a CA of another version lets through cannot steer the terminal', async (t) => {
	const identity: Identity = {
		serial: 'ab', status: 'live', role: 'workload', commonName: 'web01', organizationalUnit: 'web', organization: 'test', spiffeId: 'spiffe://a/b', dnsNames: ['a\u009bb'],
		containerId: newContainerId(), containerName: 'x\u001b[2J\nweb99', image: '\u001b]0;owned\u0007nginx\u202e', notBefore: new Date().toISOString(), notAfter: new Date(Date.now() + 60_000).toISOString(), renewals: 0,
	};
	const path = join(temporaryFolder(t), 'socket');
	const server = createServer((_, response) => void response.end(JSON.stringify({ identities: [identity] })));
	t.teardown(() => server.close());
	await listenUnix(server, path, 0o600);
	const birthmark = newCommand(t, '--ca-socket', path);
	for (const args of [['ls'], ['ls', '--all'], ['show', 'web01']]) {
		const { code, stdout } = await birthmark(args);
		t.is(code, 0);
		t.true(stdout.includes('x?[2J?web99') && stdout.includes('?]0;owned?nginx?'), stdout);
		t.notRegex(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
	}
	t.deepEqual(list(await birthmark(['ls', '--json'])), [identity]);
});

test('show tells everything of a name, or of one serial in either case', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	await ca.enrol(host, 'web01', 'web');
	const again = await ca.enrol(host, 'web01', 'web');
	await ca.request('POST', '/v1/revoke', { credentials: host, body: { authorizationId: again.authorizationId, reason: 'keyCompromise' } });
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);

	const blocks = (await birthmark(['show', 'web01'])).stdout.split('\n\n');
	t.is(blocks.length, 2);
	const [live, revoked] = blocks[0]!.includes('live') ? blocks : blocks.reverse();
	t.regex(live!, /^status +live$/m);
	t.regex(live!, /^subject +CN=web01, OU=web, O=production$/m);
	t.regex(live!, /^SPIFFE ID +spiffe:\/\/birthmark\.internal\/production\/web\/web01$/m);
	t.regex(live!, /^valid +20\S+Z to 20\S+Z \(23h 5\dm left\)$/m);
	t.regex(live!, /^node +host1$/m);
	t.regex(live!, /^container +[0-9a-f]{64}$/m);
	t.regex(revoked!, /^status +revoked$/m);
	t.regex(revoked!, /^revoked +20\S+Z \(keyCompromise\)$/m);

	const [one] = list(await birthmark(['show', 'web01', '--json']));
	t.deepEqual(list(await birthmark(['show', one!.serial.toUpperCase(), '--json'])), [one!]);
});

test('revoke --container takes a name or the beginning of an id, when it means one container', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const start = async (containerId: string, containerName: string): Promise<void> => {
		const body = { commonName: containerName, organizationalUnit: 'web', dnsNames: [], image: 'test:1', containerId, containerName };
		const { id } = (await ca.request('POST', '/v1/authorize', { credentials: host, body })).json<{ id: string }>();
		t.is((await ca.sign(await ca.mint(host, id), newKey())).status, 200);
	};
	await start(`aa1${'0'.repeat(61)}`, 'web01');
	t.is((await birthmark(['revoke', '--container', ''])).code, 2);
	await start(`aa2${'0'.repeat(61)}`, 'web02');
	await start(`bb0${'0'.repeat(61)}`, 'web03');
	const several = await birthmark(['revoke', '--container', 'aa']);
	t.is(several.code, 2);
	t.regex(several.stderr, /"aa" means 2 containers/);
	t.is((await birthmark(['revoke', '--container', 'web0'])).code, 6);
	t.is((await birthmark(['revoke', '--container', 'cc'])).code, 6);
	t.is(list(await birthmark(['ls', '--json'])).length, 3);
	t.is((await birthmark(['revoke', '--container', 'aa2', '--json'])).json<RevokeAnswer>().revoked, 1);
	t.is((await birthmark(['revoke', '--container', 'web03', '--json'])).json<RevokeAnswer>().revoked, 1);
	t.deepEqual(list(await birthmark(['ls', '--json'])).map(({ commonName }) => commonName), ['web01']);
});

test('what the beginning of an id means is decided by all identities, however many pages they have', async (t) => {
	const identity = (containerId: string): Identity => ({
		serial: 'ab', status: 'live', role: 'workload', commonName: 'web01', organizationalUnit: 'web', organization: 'test', spiffeId: 'spiffe://a/b', dnsNames: [],
		containerId, notBefore: new Date().toISOString(), notAfter: new Date(Date.now() + 60_000).toISOString(), renewals: 0,
	});
	const pages: Record<string, IdentityList> = {
		'': { identities: [identity(`aa1${'0'.repeat(61)}`)], next: '7' },
		7: { identities: [identity(`aa2${'0'.repeat(61)}`)] },
	};
	const asked: string[] = [];
	const path = join(temporaryFolder(t), 'socket');
	const server = createServer(({ method, url }, response) => {
		asked.push(`${method} ${url}`);
		response.end(JSON.stringify(method === 'GET' ? pages[new URL(url!, 'http://x').searchParams.get('after') ?? ''] : { revoked: 1, crlNumber: 1 }));
	});
	t.teardown(() => server.close());
	await listenUnix(server, path, 0o600);
	const birthmark = newCommand(t, '--ca-socket', path);
	const ran = await birthmark(['revoke', '--container', 'aa']);
	t.is(ran.code, 2);
	t.regex(ran.stderr, /"aa" means 2 containers/);
	t.is((await birthmark(['revoke', '--container', 'aa2'])).code, 0);
	t.is(asked.filter((call) => call.startsWith('POST')).length, 1);
});

test('revoke takes a serial, a container, a name or a node, and says how many', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	await ca.join('host2');
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const revoke = async (...args: string[]) => (await birthmark(['revoke', ...args, '--json'])).json<RevokeAnswer>().revoked;

	for (const name of ['web01', 'web02', 'web03', 'web04']) await ca.enrol(host, name, 'web');
	t.is(await revoke(await serialOf(ca, 'web01'), '--reason', 'keyCompromise'), 1);
	t.is(list(await birthmark(['show', 'web01', '--json']))[0]!.revocationReason, 'keyCompromise');
	t.is(await revoke('--container', list(await birthmark(['show', 'web02', '--json']))[0]!.containerId!), 1);
	t.is(await revoke('--cn', 'web03'), 1);
	for (const again of [['--cn', 'web03'], ['--cn', 'web03', '--dry-run'], ['--node', 'host2']]) {
		const ran = await birthmark(['revoke', ...again]);
		t.regex(ran.stdout, /^nothing to revoke/);
		t.is(ran.code, 6, again.join(' '));
	}
	const known = await birthmark(['revoke', list(await birthmark(['show', 'web03', '--json']))[0]!.serial]);
	t.regex(known.stdout, /^nothing to revoke/);
	t.is(known.code, 0, 'it is as it should be');
	t.deepEqual(list(await birthmark(['ls', '--json'])).map(({ commonName }) => commonName), ['web04']);
	const text = (await birthmark(['revoke', '--node', 'host1'])).stdout;
	t.regex(text, /^revoked 1 certificate; revocation list number \d+\n$/);
	t.deepEqual(list(await birthmark(['ls', '--json'])), []);
});

test('revoke takes the whole chain of renewals unless it is told not to, and shows first what it would do', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const web = await ca.enrol(host, 'web01', 'web');
	const [first] = list(await birthmark(['show', 'web01', '--json']));
	for (let round = 0; round < 2; round++) t.is((await ca.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() })).status, 200);
	const dry = await birthmark(['revoke', first!.serial, '--dry-run']);
	t.regex(dry.stdout, /^would revoke 3 certificates\nCN +ROLE +SERIAL +NODE +CONTAINER\n(web01 .*\n){3}$/);
	t.is((await birthmark(['revoke', first!.serial, '--no-chain', '--json'])).json<RevokeAnswer>().revoked, 1);
	t.is((await birthmark(['revoke', first!.serial, '--json'])).json<RevokeAnswer>().revoked, 2);
	t.regex((await birthmark(['revoke', first!.serial, '--dry-run'])).stdout, /^nothing to revoke/);
});

test('revoke --file does nothing without --yes, and names what failed', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	for (const name of ['web01', 'web02', 'web03']) await ca.enrol(host, name, 'web');
	const file = join(temporaryFolder(t), 'list');
	const unknown = '4'.repeat(32);
	writeFileSync(file, `# stolen\n${await serialOf(ca, 'web01')}\ncn web02\nserial ${unknown}\n`);
	const asked = await birthmark(['revoke', '--file', file]);
	t.is(asked.code, 2);
	t.regex(asked.stderr, /the list has 3 entries: .*--dry-run.*--yes/);
	const dry = await birthmark(['revoke', '--file', file, '--dry-run']);
	t.regex(dry.stdout, /^would revoke 2 certificates; 1 of 3 entries failed$/m);
	t.is(list(await birthmark(['ls', '--json'])).length, 3);
	const done = await birthmark(['revoke', '--file', file, '--yes']);
	t.is(done.code, 1);
	t.regex(done.stdout, new RegExp(`^serial "${unknown}": .* \\[certificate-unknown\\]\nrevoked 2 certificates; revocation list number \\d+; 1 of 3 entries failed\n$`));
	t.deepEqual(list(await birthmark(['ls', '--json'])).map(({ commonName }) => commonName), ['web03']);

	writeFileSync(file, 'cn web03\ncontainer nobody\n');
	t.is((await birthmark(['revoke', '--file', file, '--yes'])).code, 6);
	t.is(list(await birthmark(['ls', '--json'])).length, 1, 'a container that does not exist is found before anything is revoked');
	const { results, revoked } = (await birthmark(['revoke', '--file', '-', '--yes', '--json'], { input: 'cn web03\n' })).json<{ results: object[]; revoked: number }>();
	t.is(revoked, 1);
	t.deepEqual(results, [{ by: 'cn', value: 'web03', revoked: 1 }]);

	const nothing = await birthmark(['revoke', '--file', '-', '--yes'], { input: `cn wbe03\nnode host1\nserial ${'5'.repeat(32)}\n` });
	t.regex(nothing.stdout, /^cn "wbe03": no live certificate matches\nnode "host1": no live certificate matches\n.*certificate-unknown.*\nrevoked 0 certificates; .*; 1 of 3 entries failed; 2 of 3 entries matched nothing\n$/);
	t.is(nothing.code, 1);
	t.is((await birthmark(['revoke', '--file', '-', '--dry-run'], { input: 'cn wbe03\n' })).code, 6);
});
