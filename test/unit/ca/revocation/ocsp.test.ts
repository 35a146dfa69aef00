/** The OCSP responder, asked by OpenSSL and by hand, over TLS and without. */

import test, { type ExecutionContext } from 'ava';
import { execFile, spawn } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { connect } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { ocspRoutes } from '../../../../ca/http/ocsp.ts';
import type { ApiRequest } from '../../../../ca/http/route.ts';
import { stapleTo } from '../../../../ca/http/stapling.ts';
import { movableClock, newKey, startCa, temporaryFolder, type Credentials, type StartOptions, type TestCa } from '../../../support/ca.ts';

const PUBLIC_HTTP = { host: '127.0.0.1', port: 0 };
const CONTENT_TYPE = 'application/ocsp-request';

interface Setting {
	readonly ca: TestCa;
	readonly host: Credentials;
	readonly folder: string;
	/** writes certificate and issuer down for OpenSSL */
	put(name: string, credentials: Pick<Credentials, 'cert'>): void;
	/** `openssl ocsp` in the folder; what it says on both streams */
	openssl(...args: string[]): Promise<string>;
	/** the request for this certificate, DER */
	requestFor(name: string, ...options: string[]): Promise<Buffer>;
}

async function setUp(t: ExecutionContext, options: StartOptions = {}): Promise<Setting> {
	const ca = await startCa(t, { ...options, config: { publicHttp: PUBLIC_HTTP, ...options.config } });
	const folder = temporaryFolder(t);
	writeFileSync(join(folder, 'root.pem'), ca.bundle);
	// Whatever its exit code: what it says is looked at.
	const openssl: Setting['openssl'] = (...args) => new Promise((resolve) => {
		execFile('openssl', ['ocsp', ...args], { cwd: folder, timeout: 120_000 }, (_, stdout, stderr) => resolve(stderr + stdout));
	});
	const put: Setting['put'] = (name, { cert }) => {
		const [leaf, issuer] = cert.match(/-----BEGIN[^]+?-----END CERTIFICATE-----\n/g)!;
		writeFileSync(join(folder, `${name}.pem`), leaf!);
		writeFileSync(join(folder, 'issuer.pem'), issuer!);
	};
	const requestFor: Setting['requestFor'] = async (name, ...more) => {
		await openssl('-issuer', 'issuer.pem', '-cert', `${name}.pem`, '-reqout', 'request.der', ...more);
		return readFileSync(join(folder, 'request.der'));
	};
	return { ca, host: await ca.join('host1'), folder, put, openssl, requestFor };
}

/** Asks over HTTP as OpenSSL does, with a nonce unless told otherwise, and has the answer verified up to the root. */
function ask({ ca, openssl }: Setting, name: string, ...more: string[]): Promise<string> {
	return openssl('-issuer', 'issuer.pem', '-cert', `${name}.pem`, '-CAfile', 'root.pem', '-url', `${ca.publicUrl}/v1/ocsp`, ...more);
}

function serialOf({ cert }: Pick<Credentials, 'cert'>): string {
	return new X509Certificate(cert).serialNumber.toLowerCase();
}

test('openssl verifies what the responder says of a certificate: good, then revoked with its reason, at once', async (t) => {
	const setting = await setUp(t);
	const { ca, host, put } = setting;
	const web = await ca.enrol(host, 'web01', 'web');
	put('web', web);
	const before = await ask(setting, 'web');
	t.regex(before, /Response verify OK/);
	t.regex(before, /web\.pem: good/);
	t.notRegex(before, /WARNING: no nonce/);
	await ca.admin('POST', '/v1/revoke', { serial: serialOf(web), reason: 'superseded' });
	const after = await ask(setting, 'web');
	t.regex(after, /Response verify OK/);
	t.regex(after, /web\.pem: revoked/);
	t.regex(after, /Reason: superseded/);
});

test('the end of an authorization shows in the next answer, also about SHA-256 identifiers and several at once', async (t) => {
	const setting = await setUp(t);
	const { ca, host, put, openssl } = setting;
	const [one, two] = [await ca.enrol(host, 'web01', 'web'), await ca.enrol(host, 'web02', 'web')];
	put('one', one);
	put('two', two);
	t.is((await ca.request('DELETE', `/v1/authorizations/${one.authorizationId}`, { credentials: host })).status, 204);
	const both = await openssl('-sha256', '-issuer', 'issuer.pem', '-cert', 'one.pem', '-sha256', '-cert', 'two.pem', '-CAfile', 'root.pem', '-url', `${ca.publicUrl}/v1/ocsp`);
	t.regex(both, /Response verify OK/);
	t.regex(both, /one\.pem: revoked/);
	t.regex(both, /two\.pem: good/);
});

test('a certificate that the CA never issued is unknown, and an issuer that is not this CA is nothing to answer for', async (t) => {
	const setting = await setUp(t);
	const other = await setUp(t);
	setting.put('mine', await setting.ca.enrol(setting.host, 'web01', 'web'));
	other.put('theirs', await other.ca.enrol(other.host, 'web01', 'web'));
	const never = await setting.openssl('-issuer', 'issuer.pem', '-serial', `0x${'4a'.repeat(16)}`, '-CAfile', 'root.pem', '-url', `${setting.ca.publicUrl}/v1/ocsp`);
	t.regex(never, /Response verify OK/);
	t.regex(never, /: unknown/);
	const foreign = await other.openssl('-issuer', 'issuer.pem', '-cert', 'theirs.pem', '-CAfile', 'root.pem', '-url', `${setting.ca.publicUrl}/v1/ocsp`);
	t.regex(foreign, /Responder Error: unauthorized \(6\)/);
});

test('the same responder answers over TLS; with GET caches are told how long an answer is good', async (t) => {
	const setting = await setUp(t, { config: { ocsp: { cacheSeconds: 30 } } });
	const { ca, host, folder, put, openssl, requestFor } = setting;
	put('web', await ca.enrol(host, 'web01', 'web'));
	const verify = (body: Buffer, ...more: string[]) => {
		writeFileSync(join(folder, 'response.der'), body);
		return openssl('-respin', 'response.der', '-issuer', 'issuer.pem', '-cert', 'web.pem', '-CAfile', 'root.pem', ...more);
	};
	const plain = await requestFor('web', '-no_nonce');
	const base64 = plain.toString('base64');
	for (const path of [encodeURIComponent(base64), base64, base64.replace(/=+$/, '')]) {
		const answer = await ca.request('GET', `/v1/ocsp/${path}`);
		t.is(answer.status, 200);
		t.is(answer.headers['content-type'], 'application/ocsp-response');
		t.is(answer.headers['cache-control'], 'max-age=30, public, no-transform, must-revalidate');
		t.regex(answer.headers.etag!, /^"[0-9a-f]{64}"$/);
		t.is(Math.round((Date.parse(answer.headers.expires!) - Date.parse(answer.headers.date!)) / 10_000), 3);
		t.true(Date.parse(answer.headers['last-modified']!) <= Date.now());
		t.regex(await verify(answer.body, '-no_nonce'), /Response verify OK[^]*web\.pem: good/);
	}
	const posted = await ca.request('POST', '/v1/ocsp', { headers: { 'content-type': CONTENT_TYPE }, body: plain });
	t.is(posted.headers['cache-control'], 'no-store');
	t.regex(await verify(posted.body, '-no_nonce'), /Response verify OK/);

	const withNonce = await requestFor('web');
	const fresh = await ca.request('GET', `/v1/ocsp/${encodeURIComponent(withNonce.toString('base64'))}`);
	t.is(fresh.headers['cache-control'], 'no-store', 'an answer to one request is of no use to another');
	const verifyNonce = async (body: Buffer) => {
		writeFileSync(join(folder, 'response.der'), body);
		return openssl('-reqin', 'request.der', '-respin', 'response.der', '-CAfile', 'root.pem', '-verify_other', 'issuer.pem');
	};
	t.is(await verifyNonce(fresh.body), 'Response verify OK\n');
	t.regex(await verifyNonce(posted.body), /WARNING: no nonce/);
});

test('what is no request gets an answer that says so, and is not kept', async (t) => {
	const { ca } = await setUp(t);
	const malformed = Buffer.from('30030a0101', 'hex');
	const texts = ['AAAA', '!', 'MAA', 'MAAx=', encodeURIComponent(Buffer.alloc(9000, 1).toString('base64'))];
	for (const path of texts) {
		const answer = await ca.request('GET', `/v1/ocsp/${path}`);
		t.is(answer.status, 200, path.slice(0, 20));
		t.deepEqual(answer.body, malformed);
		t.is(answer.headers['cache-control'], 'no-store');
	}
	t.deepEqual((await ca.request('POST', '/v1/ocsp', { body: Buffer.alloc(0) })).body, malformed);
	t.is((await ca.request('POST', '/v1/ocsp', { body: randomBytes(9000) })).json()['code'], 'request-too-large');
	t.is((await ca.request('GET', '/v1/ocsp')).status, 405);
});

test('the signer of answers is replaced in time, and fits clocks that step', async (t) => {
	const clock = movableClock();
	const { ca, host, put, openssl, requestFor, folder } = await setUp(t, { clock, config: { profiles: { workload: { maximumSeconds: 7_000_000 } } } });
	const { id } = await ca.authorize(host, { commonName: 'web01' }, { lifetimeSeconds: 6_000_000 });
	put('web', { cert: (await ca.sign(await ca.mint(host, id), newKey())).text });
	const request = await requestFor('web', '-no_nonce');
	const signers = new Set<string>();
	for (const step of [0, 3600, 50_000, 50_000, 1_000_000, -1_000_000]) {
		clock.advance(step);
		await ca.lookAfter();
		// Without TLS, whose certificates have dates too.
		const answer = await fetch(`${ca.publicUrl}/v1/ocsp`, { method: 'POST', body: new Uint8Array(request), headers: { 'content-type': CONTENT_TYPE } });
		writeFileSync(join(folder, 'response.der'), Buffer.from(await answer.arrayBuffer()));
		const at = String(Math.floor(clock.now().getTime() / 1000));
		const text = await openssl('-respin', 'response.der', '-issuer', 'issuer.pem', '-cert', 'web.pem', '-CAfile', 'root.pem', '-no_nonce', '-attime', at, '-resp_text');
		t.regex(text, /Response verify OK/, `after ${step} s`);
		signers.add(/Responder Id: (\w+)/.exec(text)![1]!);
	}
	t.is(signers.size, 5, 'one for half a day, then others');
});

test('who connects and asks for it gets an answer about the server stapled, which openssl finds good', async (t) => {
	const { ca, folder, openssl } = await setUp(t);
	for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
		const socket = connect({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME, requestOCSP: true, minVersion: version, maxVersion: version });
		const [[response]] = await Promise.all([once(socket, 'OCSPResponse') as Promise<[Buffer | null]>, once(socket, 'secureConnect')]);
		const leaf = socket.getPeerX509Certificate()!;
		const issuer = leaf.issuerCertificate ?? new X509Certificate(socket.getPeerCertificate(true).issuerCertificate.raw);
		socket.destroy();
		t.truthy(response, version);
		writeFileSync(join(folder, 'server.pem'), leaf.toString());
		writeFileSync(join(folder, 'issuer.pem'), issuer.toString());
		writeFileSync(join(folder, 'staple.der'), response!);
		const text = await openssl('-respin', 'staple.der', '-issuer', 'issuer.pem', '-cert', 'server.pem', '-CAfile', 'root.pem', '-no_nonce');
		t.regex(text, /Response verify OK[^]*server\.pem: good/);
	}
	const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${ca.port}`, '-servername', CA_SERVER_NAME, '-status', '-CAfile', join(folder, 'root.pem')], { timeout: 120_000 });
	let said = '';
	client.stdout.on('data', (chunk: Buffer) => void (said += chunk.toString()));
	client.stdin.end('Q\n');
	await once(client, 'close');
	t.regex(said, /OCSP Response Status: successful \(0x0\)[^]*Cert Status: good[^]*Verify return code: 0 \(ok\)/);
});

test('while the store is away OCSP says to try later, and that is not kept either', async (t) => {
	const away = () => Promise.reject(new BirthmarkError('ca-unavailable'));
	const broken = () => Promise.reject(new Error('a fault'));
	const request = { bytes: async () => Buffer.of(0x30), parameter: () => 'MAA=' } as unknown as ApiRequest;
	for (const route of ocspRoutes({ ocsp: { answer: away }, clock: systemClock, cacheSeconds: 60 })) {
		t.like(await route.handle(request), { status: 200, body: Buffer.from('30030a0103', 'hex'), isPrivate: true }, route.method);
	}
	for (const route of ocspRoutes({ ocsp: { answer: broken }, clock: systemClock, cacheSeconds: 60 })) {
		await t.throwsAsync(async () => route.handle(request), { message: 'a fault' });
	}
});

test('a handshake does not wait for an answer that cannot be had: it gets the last one while that is good, then none', async (t) => {
	const { ca } = await setUp(t);
	const socket = connect({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME });
	await once(socket, 'secureConnect');
	const certificate = socket.getPeerX509Certificate()!.raw;
	socket.destroy();
	const clock = movableClock();
	const server = new EventEmitter() as unknown as Server;
	let isAway = false;
	let fail = (): void => {};
	const silence = () => new Promise<never>((_, reject) => (fail = () => reject(new BirthmarkError('ca-unavailable'))));
	const reply = () => ({ der: Buffer.from('staple'), validity: { thisUpdate: clock.now(), nextUpdate: new Date(clock.now().getTime() + 60_000) }, hasNonce: false });
	stapleTo(server, { ocsp: { staple: () => (isAway ? silence() : Promise.resolve(reply())) }, clock, logger: silentLogger });
	const staple = () => new Promise<string | undefined>((resolve) => server.emit('OCSPRequest', certificate, certificate, (_: unknown, der: Buffer | null) => resolve(der?.toString())));
	t.is(await staple(), 'staple');
	isAway = true;
	clock.advance(45);
	t.is(await staple(), 'staple');
	clock.advance(15);
	t.is(await staple(), undefined, 'it has ended');
	isAway = false;
	fail();
	await setImmediate();
	t.is(await staple(), 'staple');
});
