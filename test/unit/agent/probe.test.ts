/** One look at real servers of every kind, the bad ones above all. */

import test, { type ExecutionContext } from 'ava';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket, type TlsOptions } from 'node:tls';
import { reloadSchema } from '../../../ca/http/schemas.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import type { Identity } from '../../../agent/identity.ts';
import { probe } from '../../../agent/probe.ts';
import { validateIdentity } from '../../../agent/validate.ts';
import { createPki, issueLeaf, leafDefaults, type FakePki } from '../../fakes/ca.ts';

const pki = await createPki();
const [issued, other, stranger] = await Promise.all([newIdentity(pki), newIdentity(pki), newIdentity(await createPki('Other'))]);
const SHORT_MS = 300;
/** A busy machine may take its time; who waits for nothing in particular waits long. */
const LONG_MS = 60_000;
const never = new AbortController().signal;

async function newIdentity(from: FakePki): Promise<Identity> {
	const key = generateSigningKey();
	const chain = await issueLeaf({ ...leafDefaults('api01', from, 3600), publicKey: key.publicKey });
	return validateIdentity({ key: exportSigningKey(key), chain, bundle: from.bundle });
}

async function listen(t: ExecutionContext, server: Server): Promise<number> {
	const sockets = new Set<Socket>();
	server.on('connection', (socket: Socket) => {
		sockets.add(socket);
		socket.on('error', () => {});
	});
	server.on('tlsClientError', () => {});
	server.on('secureConnection', (socket: TLSSocket) => void socket.on('error', () => {}));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	return (server.address() as AddressInfo).port;
}

const serving = ({ key, chain }: Identity, options: TlsOptions = {}) => createTlsServer({ key, cert: chain, ca: pki.bundle, ...options });
const plain = (serve: (socket: Socket) => void) => createServer(serve);
const look = (port: number, identity = issued, timeoutMs = LONG_MS) => probe({ host: '127.0.0.1', port }, identity, never, timeoutMs);

for (const [what, options] of [
	['TLS 1.3', { minVersion: 'TLSv1.3' }],
	['TLS 1.2', { maxVersion: 'TLSv1.2' }],
	['TLS 1.3 and a client certificate', { minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true }],
	['TLS 1.2 and a client certificate', { maxVersion: 'TLSv1.2', requestCert: true, rejectUnauthorized: true }],
] as const) {
	test(`a server with ${what} serves the certificate or another one`, async (t) => {
		t.like(await look(await listen(t, serving(issued, options))), { outcome: 'verified' });
		const port = await listen(t, serving(other, options));
		const finding = await look(port);
		t.like(finding, { outcome: 'mismatch', servedSerial: other.leaf.serial });
		t.is(finding.sentence, `at 127.0.0.1:${port} it serves another certificate, ${other.leaf.serial}`);
	});
}

test('a server that does not trust this certificate as a client has shown its own with TLS 1.3, and refuses with TLS 1.2', async (t) => {
	const options = { requestCert: true, rejectUnauthorized: true, ca: stranger.bundle };
	t.like(await look(await listen(t, serving(issued, { ...options, minVersion: 'TLSv1.3' }))), { outcome: 'verified' });
	const finding = await look(await listen(t, serving(issued, { ...options, maxVersion: 'TLSv1.2' })));
	t.is(finding.outcome, 'handshake-failed');
	t.regex(finding.sentence, /own certificate from a client\?$/);
});

test('a certificate that this CA never issued is another one', async (t) => {
	t.like(await look(await listen(t, serving(stranger))), { outcome: 'mismatch', servedSerial: stranger.leaf.serial });
});

for (const number of ['0', '7', '-5', `0x${'7f'.repeat(20)}`, `0x${'7f'.repeat(21)}`]) {
	test(`a certificate with the number ${number} is another one, and the CA can be told`, async (t) => {
		const pem = execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=self', '-set_serial', number, '-keyout', '-'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
		const { outcome, servedSerial } = await look(await listen(t, createTlsServer({ key: pem, cert: pem })));
		t.is(outcome, 'mismatch');
		t.true(reloadSchema.safeParse({ outcome, attempts: 1, ...(servedSerial !== undefined && { servedSerial }) }).success, servedSerial);
	});
}

test('a server with many names is asked for the one of the certificate, or the one that is declared', async (t) => {
	const server = serving(issued);
	const port = await listen(t, server);
	for (const [declared, asked] of [[{}, 'api01'], [{ serverName: 'www.example.org' }, 'www.example.org']] as const) {
		const [[socket]] = await Promise.all([once(server, 'secureConnection') as Promise<[TLSSocket & { servername: string }]>, probe({ host: '127.0.0.1', port, ...declared }, issued, never, LONG_MS)]);
		t.is(socket.servername, asked);
	}
});

test('the goodbye is said: the server sees an end and no error', async (t) => {
	const server = serving(issued);
	const port = await listen(t, server);
	const [[socket]] = await Promise.all([once(server, 'secureConnection') as Promise<[TLSSocket]>, look(port)]);
	const errors: Error[] = [];
	socket.on('error', (error) => errors.push(error));
	socket.resume();
	await once(socket, 'end');
	t.deepEqual(errors, []);
});

test('nothing listens', async (t) => {
	const server = plain(() => {});
	const port = await listen(t, server);
	server.close();
	await once(server, 'close');
	const finding = await look(port);
	t.is(finding.outcome, 'not-listening');
	t.is(finding.sentence, `nothing can be reached at 127.0.0.1:${port} (ECONNREFUSED): does it listen there, and is birthmark.port right?`);
});

test('somebody listens and does not answer', async (t) => {
	const port = await listen(t, plain(() => {}));
	t.deepEqual(await look(port, issued, SHORT_MS), { outcome: 'no-answer', sentence: `at 127.0.0.1:${port} somebody listens and does not answer within 0.3 s` });
});

for (const [what, greeting] of [['HTTP', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'], ['Redis', '-ERR Protocol error\r\n'], ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n'], ['zeros', '\0'.repeat(64)]] as const) {
	test(`a server that speaks ${what} has no TLS`, async (t) => {
		const port = await listen(t, plain((socket) => void socket.once('data', () => socket.write(greeting))));
		const finding = await look(port);
		t.is(finding.outcome, 'no-tls', finding.sentence);
		t.is(finding.sentence, `what answers at 127.0.0.1:${port} does not speak TLS`);
	});
}

for (const [what, leave] of [['closes', (socket: Socket) => socket.end()], ['resets', (socket: Socket) => socket.resetAndDestroy()]] as const) {
	test(`a server that ${what} the connection at the first word refuses the handshake`, async (t) => {
		const port = await listen(t, plain((socket) => void socket.once('data', () => leave(socket))));
		const finding = await look(port);
		t.is(finding.outcome, 'handshake-failed');
		t.regex(finding.sentence, /ends the connection during the TLS handshake \(ECONNRESET\)/);
	});
}

test('who is interrupted finds nothing', async (t) => {
	const port = await listen(t, plain(() => {}));
	const stop = new AbortController();
	const reason = new Error('superseded');
	const looking = probe({ host: '127.0.0.1', port }, issued, stop.signal);
	stop.abort(reason);
	t.is(await t.throwsAsync(looking), reason);
});

const SSL_REQUEST = '0000000804d2162f';

test('PostgreSQL is asked for TLS first', async (t) => {
	const asked: string[] = [];
	const port = await listen(t, plain((socket) => void socket.once('data', (request: Buffer) => {
		asked.push(request.toString('hex'));
		socket.write('S');
		new TLSSocket(socket, { isServer: true, key: issued.key, cert: issued.chain }).on('error', () => {});
	})));
	t.like(await probe({ host: '127.0.0.1', port, startTls: 'postgres' }, issued, never, LONG_MS), { outcome: 'verified' });
	t.like(await probe({ host: '127.0.0.1', port, startTls: 'postgres' }, other, never, LONG_MS), { outcome: 'mismatch', servedSerial: issued.leaf.serial });
	t.deepEqual(asked, [SSL_REQUEST, SSL_REQUEST]);
});

for (const [what, answer, outcome] of [
	['says that it has no TLS', (socket: Socket) => socket.write('N'), 'no-tls'],
	['says something else', (socket: Socket) => socket.write('E\0\0\0\x10'), 'no-tls'],
	['sends more than its answer, as nobody but a man in the middle would', (socket: Socket) => socket.write('SS'), 'no-tls'],
	['closes', (socket: Socket) => socket.end(), 'no-tls'],
	['is silent', () => {}, 'no-answer'],
] as const) {
	test(`a PostgreSQL that ${what}`, async (t) => {
		const port = await listen(t, plain((socket) => void socket.once('data', () => answer(socket))));
		t.is((await probe({ host: '127.0.0.1', port, startTls: 'postgres' }, issued, never, outcome === 'no-answer' ? SHORT_MS : LONG_MS)).outcome, outcome);
	});
}
