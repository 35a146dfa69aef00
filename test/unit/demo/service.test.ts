import test, { type ExecutionContext } from 'ava';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { call } from '../../../demo/call.ts';
import { startServer } from '../../../demo/server.ts';
import { createPki } from '../../fakes/ca.ts';
import { identityDirectory } from '../../fakes/identity-directory.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();
const otherPki = await createPki('Other');

const container = (t: ExecutionContext, name: string) => identityDirectory(t, name, pki);

async function service(t: ExecutionContext) {
	const files = await container(t, 'localhost');
	const log: Array<Record<string, unknown>> = [];
	let wake = () => {};
	const server = await startServer(files.directory, 0, (line) => {
		log.push(JSON.parse(line));
		wake();
	});
	t.teardown(() => void server.close());
	if (!server.listening) await once(server, 'listening');
	const logged = async (matches: (entry: Record<string, unknown>) => boolean) => {
		while (!log.some(matches)) await new Promise<void>((resolve) => (wake = resolve));
	};
	return { ...files, log, logged, url: new URL(`https://localhost:${(server.address() as AddressInfo).port}/`) };
}

test('each side names the other', async (t) => {
	const { url, log } = await service(t);
	const { directory } = await container(t, 'web01');
	const party = (name: string) => ({ name, role: 'web-api', spiffeId: `spiffe://birthmark.internal/production/web-api/${name}` });
	t.deepEqual(await call(url, directory, { kind: 'own' }), { ok: true, answer: { service: party('localhost'), caller: party('web01') } });
	t.true(log.some(({ event, caller }) => event === 'answered' && caller === party('web01').spiffeId));
});

test('a caller without a certificate is refused in the handshake', async (t) => {
	const { url, logged } = await service(t);
	const result = await call(url, tmpfsDirectory(t), { kind: 'anonymous' });
	t.false(result.ok);
	t.regex(result.refused ?? '', /asks for a certificate/);
	await logged(({ event }) => event === 'refused');
});

test('a caller with a certificate of another CA is refused', async (t) => {
	const { url, logged } = await service(t);
	const { directory, rotate } = await container(t, 'web01');
	await rotate({ issuer: otherPki });
	t.false((await call(url, directory, { kind: 'own' })).ok);
	await logged(({ event, reason }) => event === 'refused' && reason !== 'ECONNRESET');
});

test('a service that is not the one asked for is refused by the caller', async (t) => {
	const { url } = await service(t);
	const { directory } = await container(t, 'web01');
	const result = await call(new URL(url.href.replace('localhost', '127.0.0.1')), directory, { kind: 'own' });
	t.regex(result.refused ?? '', /ERR_TLS_CERT_ALTNAME_INVALID/);
});

test('a revocation takes effect without a restart, also for a stolen copy', async (t) => {
	const { url, revoke, logged } = await service(t);
	const { serial, read } = await container(t, 'web01');
	const thief = { kind: 'other', identity: read() } as const;
	t.true((await call(url, tmpfsDirectory(t), thief)).ok);
	revoke(serial);
	await logged(({ event }) => event === 'identity loaded');
	t.regex((await call(url, tmpfsDirectory(t), thief)).refused ?? '', /revoked/);
	await logged(({ reason }) => reason === 'CERT_REVOKED');
});

test('a caller refuses a service whose certificate was revoked', async (t) => {
	const { url, serial } = await service(t);
	const web = await container(t, 'web01');
	web.revoke(serial);
	t.regex((await call(url, web.directory, { kind: 'own' })).refused ?? '', /CERT_REVOKED/);
});

test('a rotation takes effect without a restart', async (t) => {
	const { url, rotate, logged } = await service(t);
	const next = await rotate();
	await logged(({ event, serial }) => event === 'identity loaded' && serial === next);
	const { directory: web } = await container(t, 'web01');
	t.true((await call(url, web, { kind: 'own' })).ok);
});

test('without a revocation list the service does not start', async (t) => {
	const { directory } = await container(t, 'localhost');
	rmSync(join(directory, 'crl.pem'));
	await t.throwsAsync(startServer(directory, 0, () => {}, 10), { message: /crl\.pem/ });
});
