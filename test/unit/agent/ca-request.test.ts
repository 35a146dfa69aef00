import test, { type ExecutionContext } from 'ava';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { connect, createServer as createRelay, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TlsOptions } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import type { CaAddress } from '../../../agent/ca-address.ts';
import { requestCa } from '../../../agent/ca-request.ts';
import { createPki, issueLeaf, leafDefaults, type LeafInput } from '../../fakes/ca.ts';
import type { RequesterInput } from '../../fakes/ca-requester.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();
const otherPki = await createPki('Other');
const requester = fileURLToPath(new URL('../../fakes/ca-requester.ts', import.meta.url));
/** The tests run on the one, containers on the other. */
const runtimes = { node: process.execPath, bun: fileURLToPath(new URL('../../../node_modules/bun/bin/bun.exe', import.meta.url)) };

async function certificate(change: Partial<LeafInput> = {}) {
	const key = generateSigningKey();
	return { key: exportSigningKey(key), cert: await issueLeaf({ ...leafDefaults(CA_SERVER_NAME, pki, 3600), publicKey: key.publicKey, ...change }) };
}

async function serve(t: ExecutionContext, options: TlsOptions, listener: RequestListener = (_, response) => void response.end('hello')) {
	const server = createServer(options, listener);
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	return { server, address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port } };
}

/** The same server as the plugin's socket shows it: bytes, back and forth. */
async function relay(t: ExecutionContext, { host, port }: { host: string; port: number }): Promise<CaAddress> {
	const socketPath = join(tmpfsDirectory(t), 'ca.sock');
	const server: Server = createRelay((near) => {
		const far = connect(port, host);
		near.pipe(far).pipe(near);
		near.on('error', () => far.destroy());
		far.on('error', () => near.destroy());
	});
	server.listen(socketPath);
	await once(server, 'listening');
	t.teardown(() => void server.close());
	return { socketPath };
}

/** Two processes at a time, and the tests one after the other; a busy machine may take longer for a request than the agent waits. @returns what {@link requester} printed, by runtime */
async function ask(t: ExecutionContext, input: RequesterInput, environment: Record<string, string> = {}): Promise<Record<string, string>> {
	const file = join(tmpfsDirectory(t), 'request.json');
	writeFileSync(file, JSON.stringify({ timeoutMs: 60_000, ...input }));
	const env = { PATH: process.env['PATH'], ...environment };
	const answers = Object.entries(runtimes).map(async ([name, runtime]) => {
		const { stdout } = await promisify(execFile)(runtime, [requester, file], { env });
		return [name, stdout.trim()] as const;
	});
	return Object.fromEntries(await Promise.all(answers));
}

const bundle = pki.bundle.toString();

test.serial('the CA is known by its name in either runtime, over the network and through the relay', async (t) => {
	const { address } = await serve(t, await certificate());
	for (const way of [address, await relay(t, address)]) t.deepEqual(await ask(t, { address: way, trust: bundle }), { node: '200 5', bun: '200 5' });
});

const impostors: ReadonlyArray<readonly [string, Partial<LeafInput>, string]> = [
	['another name', { dnsNames: ['api01'] }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
	['the CA\'s name as CN only', { commonName: CA_SERVER_NAME, dnsNames: ['api01'] }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
	['a certificate of another CA', { issuer: otherPki }, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
	['a certificate that has expired', { notAfter: new Date(Date.now() - 1000) }, 'CERT_HAS_EXPIRED'],
	['a certificate that is not valid yet', { notBefore: new Date(Date.now() + 600_000) }, 'CERT_NOT_YET_VALID'],
	['a certificate for clients', { purposes: ['clientAuth'] }, 'INVALID_PURPOSE'],
];
for (const [what, change, code] of impostors) {
	test.serial(`a server with ${what} is not the CA in either runtime, whatever the environment says`, async (t) => {
		const { address } = await serve(t, await certificate(change));
		const other = join(tmpfsDirectory(t), 'other.pem');
		writeFileSync(other, otherPki.bundle);
		const hostile = { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_EXTRA_CA_CERTS: other, SSL_CERT_FILE: other, NODE_NO_WARNINGS: '1' };
		for (const way of [address, await relay(t, address)]) {
			const answers = await ask(t, { address: way, trust: bundle }, hostile);
			for (const answer of Object.values(answers)) t.regex(answer, new RegExp(`^ca-protocol .*\\(${code}\\)`));
		}
	});
}

/** What is said by somebody who has the CA's certificate, or none and no TLS, before anything is asked. */
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';

test.serial('an impostor\'s answer that comes with the end of the handshake is none, in either runtime', async (t) => {
	for (const [change, code] of [[{ issuer: otherPki }, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'], [{ dnsNames: ['api01'] }, 'ERR_TLS_CERT_ALTNAME_INVALID']] as const) {
		const shown = await certificate(change);
		for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
			const { server, address } = await serve(t, { ...shown, maxVersion });
			server.on('secureConnection', (socket) => void socket.write(ANSWER));
			for (const answer of Object.values(await ask(t, { address, trust: bundle }))) t.regex(answer, new RegExp(`^ca-protocol .*\\(${code}\\)`));
		}
	}
});

test.serial('a server that does not show its intermediate certificate is not the CA in either runtime', async (t) => {
	const { key, cert } = await certificate();
	const { address } = await serve(t, { key, cert: cert.slice(0, cert.indexOf('-----END CERTIFICATE-----') + '-----END CERTIFICATE-----'.length) });
	for (const answer of Object.values(await ask(t, { address, trust: bundle }))) t.regex(answer, /^ca-protocol .*\(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)/);
});

test.serial('a server that speaks none but an old TLS is not asked anything, in either runtime', async (t) => {
	const { server, address } = await serve(t, { ...(await certificate()), minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
	server.on('secureConnection', () => t.fail());
	for (const trust of [bundle, 'unverified']) for (const answer of Object.values(await ask(t, { address, trust }))) t.regex(answer, /^ca-unavailable /);
});

test.serial('the CA is known by any root of the bundle, and a bundle that is none knows nobody, in either runtime', async (t) => {
	const { address } = await serve(t, await certificate());
	t.deepEqual(await ask(t, { address, trust: `${otherPki.bundle.toString()}${bundle}` }), { node: '200 5', bun: '200 5' });
	for (const trust of ['hello', '']) for (const answer of Object.values(await ask(t, { address, trust }))) t.regex(answer, /^ca-(?:unavailable|protocol) /);
});

/** Somebody without TLS, who does this with each connection. */
async function listen(t: ExecutionContext, serveOne: (socket: Socket) => void) {
	const sockets = new Set<Socket>();
	const server: Server = createRelay((socket) => {
		sockets.add(socket);
		socket.on('error', () => {});
		serveOne(socket);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

const ends: ReadonlyArray<readonly [what: string, serveOne: (socket: Socket) => void]> = [
	['hangs up', (socket) => void socket.destroy()],
	['hangs up in the handshake', (socket) => void socket.once('data', () => socket.resetAndDestroy())],
	['is silent', (socket) => void socket.resume()],
	['speaks no TLS', (socket) => void socket.write(ANSWER)],
	['refuses this TLS', (socket) => void socket.once('data', () => socket.end(Buffer.from([21, 3, 1, 0, 2, 2, 70])))],
];
for (const [what, serveOne] of ends) {
	test.serial(`of somebody who ${what} nothing is left, in either runtime`, async (t) => {
		const address = await listen(t, serveOne);
		for (const trust of [bundle, 'unverified']) {
			for (const answer of Object.values(await ask(t, { address, trust, times: 10, timeoutMs: 100 }))) t.regex(answer, /^ca-unavailable .* \+0$/);
		}
	});
}

test.serial('of a CA that does not answer, breaks off or has too much to say nothing is left, in either runtime', async (t) => {
	const { server, address } = await serve(t, await certificate());
	server.removeAllListeners('request');
	const faults: ReadonlyArray<readonly [does: (socket: Socket) => void, answer: RegExp, timeoutMs?: number]> = [
		[(socket) => void socket.resume(), /^ca-unavailable .*no answer in .* \+0$/, 300],
		[(socket) => void socket.once('data', () => socket.destroy()), /^ca-unavailable .*broke off.* \+0$/],
		[(socket) => void socket.once('data', () => socket.end(ANSWER.slice(0, -1))), /^ca-unavailable .*broke off.* \+0$/],
		[(socket) => void socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(1 << 20)}`)), /^ca-protocol .*too long.* \+0$/],
	];
	for (const [does, expected, timeoutMs] of faults) {
		server.removeAllListeners('secureConnection').on('secureConnection', (socket) => {
			socket.on('error', () => {});
			does(socket);
		});
		for (const answer of Object.values(await ask(t, { address, trust: bundle, times: 5, ...(timeoutMs !== undefined && { timeoutMs }) }))) t.regex(answer, expected);
	}
});

test.serial('what proves itself is taken from any server, in either runtime', async (t) => {
	for (const change of [{ dnsNames: ['api01'] }, { issuer: otherPki, notAfter: new Date(Date.now() - 1000) }]) {
		const { address } = await serve(t, await certificate(change));
		t.deepEqual(await ask(t, { address, trust: 'unverified' }), { node: '200 5', bun: '200 5' });
	}
});

test.serial('a server that does not accept the client\'s certificate is told from one that does, in either runtime', async (t) => {
	const { address } = await serve(t, { ...(await certificate()), ca: pki.bundle, requestCert: true, rejectUnauthorized: true });
	const credentials = async (issuer: typeof pki) => {
		const { key, cert } = await certificate({ commonName: 'api01', dnsNames: ['api01'], issuer });
		return { key, chain: cert };
	};
	t.deepEqual(await ask(t, { address, trust: bundle, credentials: await credentials(pki) }), { node: '200 5', bun: '200 5' });
	for (const answer of Object.values(await ask(t, { address, trust: bundle, credentials: await credentials(otherPki) }))) t.regex(answer, /^ca-unavailable /);
});

test.serial('no session is resumed: every connection proves itself anew', async (t) => {
	const { server, address } = await serve(t, await certificate());
	const reused: boolean[] = [];
	server.on('secureConnection', (socket) => reused.push(socket.isSessionReused()));
	for (let count = 0; count < 3; count++) await requestCa(address, { method: 'GET', path: '/', trust: pki.bundle, signal: new AbortController().signal });
	t.deepEqual(reused, [false, false, false]);
});

test.serial('a proxy of the environment is not used', async (t) => {
	const { address } = await serve(t, await certificate());
	const proxy = 'http://127.0.0.1:9';
	t.deepEqual(await ask(t, { address, trust: bundle }, { HTTPS_PROXY: proxy, https_proxy: proxy, ALL_PROXY: proxy, NODE_USE_ENV_PROXY: '1' }), { node: '200 5', bun: '200 5' });
});

test.serial('a server that wants to speak another protocol does not hold the agent up', async (t) => {
	const { server, address } = await serve(t, await certificate());
	server.removeAllListeners('request');
	server.on('secureConnection', (socket) => {
		socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: anything\r\n\r\n'));
	});
	for (const answer of Object.values(await ask(t, { address, trust: 'unverified' }))) t.regex(answer, /^ca-protocol .*does not speak HTTP/);
});

test('a body is made once somebody is there, and only once', async (t) => {
	let made = 0;
	const request = { method: 'POST', path: '/', body: () => `body ${++made}`, trust: pki.bundle, signal: new AbortController().signal } as const;
	await t.throwsAsync(requestCa({ socketPath: join(tmpfsDirectory(t), 'nobody') }, request), { code: 'ca-unavailable' });
	t.is(made, 0);
	const { address } = await serve(t, await certificate(), (incoming, response) => void incoming.pipe(response));
	const { body } = await requestCa(address, request);
	t.is(body.toString(), 'body 1');
	t.is(made, 1);
});

test('a body that cannot be made ends the request', async (t) => {
	const { address } = await serve(t, await certificate());
	const body = (): string => {
		throw new BirthmarkError('internal', 'no key');
	};
	await t.throwsAsync(requestCa(address, { method: 'POST', path: '/', body, trust: pki.bundle, signal: new AbortController().signal }), { code: 'internal' });
});

test('while the CA works on the request the agent can do something else', async (t) => {
	const waiting = Promise.withResolvers<void>();
	// Answers when the other side says that it waits.
	const { address } = await serve(t, await certificate(), (_, response) => void waiting.promise.then(() => response.end('hello')));
	const { status } = await requestCa(address, { method: 'GET', path: '/', trust: pki.bundle, signal: new AbortController().signal, whileWaiting: waiting.resolve });
	t.is(status, 200);
});
