/** The configuration is read again while the CA runs: what can change changes, and no connection notices. */

import test from 'ava';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { connect } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { readCaConfig } from '../../../ca/config.ts';
import { planReload } from '../../../ca/reload.ts';
import { CA_SERVER_NAME, type AuditPage } from '#common/protocol/messages.ts';
import { createLogger } from '#common/runtime/log.ts';
import { startCaProcess } from '../../support/ca-process.ts';
import { movableClock, newKey, startCa, temporaryFolder } from '../../support/ca.ts';

const config = (value: object) => readCaConfig(JSON.stringify(value), {});

test('what is bound to something that stays keeps its value, the rest is taken over', (t) => {
	const plan = planReload(config({}), config({
		trustDomain: 'example.org', listen: { port: 1, names: ['ca.example.org'] }, metrics: { port: 9 }, tokenTtlSeconds: 5, publicHttp: { port: 80, url: 'http://ca.example.org' },
	}));
	t.deepEqual([...plan.changed].sort(), ['listen.names', 'publicHttp.url', 'tokenTtlSeconds']);
	t.deepEqual([...plan.bound].sort(), ['listen.port', 'metrics.port', 'publicHttp.port', 'trustDomain']);
	t.deepEqual(plan.config, config({ listen: { names: ['ca.example.org'] }, tokenTtlSeconds: 5, publicHttp: { url: 'http://ca.example.org' } }));
});

test('nothing changes when nothing has changed', (t) => {
	t.like(planReload(config({}), config({})), { changed: [], bound: [] });
});

test('lifetimes, times of tokens, limits and thresholds count from the next request on', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const hours = async () => {
		const { cert } = await ca.enrol(node, 'web01', 'web');
		const { validFromDate, validToDate } = new X509Certificate(cert);
		return Math.round((validToDate.getTime() - validFromDate.getTime()) / 3_600_000);
	};
	t.is(await hours(), 24);
	const { changed, bound } = await ca.reload({ profiles: { workload: { lifetimeSeconds: 7200 } }, blackhole: { addressFailures: 1, shutOutSeconds: 600 }, tokenTtlSeconds: 60 });
	t.deepEqual([...changed].sort(), ['blackhole.addressFailures', 'blackhole.shutOutSeconds', 'profiles.workload.lifetimeSeconds', 'tokenTtlSeconds']);
	t.deepEqual(bound, []);
	t.is(await hours(), 2);
	t.is((await ca.request('PUT', '/v1/sign/x', { body: 'x' })).status, 400);
	t.is((await ca.request('PUT', '/v1/sign/x', { body: 'x' })).status, 429);
	const { records } = (await ca.admin('GET', '/v1/audit')).json<AuditPage>();
	t.deepEqual(records.find(({ action }) => action === 'configuration.reload')?.details?.['changed'], changed);
});

test('a connection stays open over a reload, and a request that is under way is answered', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const socket = connect({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME, ...node });
	await once(socket, 'secureConnect');
	const body = JSON.stringify({ commonName: 'web01', organizationalUnit: 'web', dnsNames: [], image: 'x', dryRun: true });
	socket.write(`POST /v1/authorize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`);
	t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 100 /);
	await ca.reload({ tokenTtlSeconds: 60, limits: { requestSeconds: 20 } });
	socket.write(body);
	t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200 /);
	socket.write('GET /v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n');
	t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200 /);
	socket.destroy();
});

test('a configuration that names a file which is not there changes nothing', async (t) => {
	const ca = await startCa(t);
	const client = { name: 'swarm', organizationalUnit: 'x', organization: 'x', allow: ['*/*'], clientCaFile: '/nonexistent' };
	await t.throwsAsync(ca.reload({ tokenTtlSeconds: 1, cfssl: { clients: [client] } }), { code: 'config-invalid' });
	const { expiresAt } = (await ca.admin('POST', '/v1/join-tokens', { role: 'node' })).json<{ expiresAt: string }>();
	t.truthy(expiresAt);
	t.like(await ca.reload({}), { changed: [] });
});

test('a server certificate that becomes due during a reload does not bring the old configuration back', async (t) => {
	const clock = movableClock();
	const week = 7 * 24 * 3600;
	const before = { profiles: { server: { lifetimeSeconds: 600 } }, crl: { refreshSeconds: 3 * week, lifetimeSeconds: 4 * week } };
	const ca = await startCa(t, { clock, config: before });
	let isReloaded = false;
	const reload = ca.reload({ ...before, joinTokenTtlSeconds: 5 }).finally(() => (isReloaded = true));
	const rounds: Promise<void>[] = [];
	while (!isReloaded) {
		clock.advance(600);
		rounds.push(ca.lookAfter());
		await setImmediate();
	}
	await Promise.all([reload, ...rounds]);
	const { expiresAt } = (await ca.admin('POST', '/v1/join-tokens', { role: 'node' })).json<{ expiresAt: string }>();
	t.is(Date.parse(expiresAt) - clock.now().getTime(), 5000);
});

test('by how much certificates are backdated counts for the next root too', async (t) => {
	const ca = await startCa(t);
	await ca.reload({ backdateSeconds: 1800 });
	t.is((await ca.admin('POST', '/v1/rotation', { changes: 'root' })).status, 200);
	const roots = (await ca.request('GET', '/v1/roots')).text.match(/-----BEGIN[^]+?-----END CERTIFICATE-----/g)!;
	const begins = roots.map((pem) => new X509Certificate(pem).validFromDate.getTime());
	t.true(Date.now() - Math.min(...begins) >= 1_800_000);
});

test('what wants a restart is said', async (t) => {
	const lines: string[] = [];
	const ca = await startCa(t, { logger: createLogger('ca', 'info', (line) => lines.push(line)) });
	await ca.reload({ environment: 'staging' });
	t.like(lines.map((line) => JSON.parse(line) as Record<string, unknown>).find(({ settings }) => settings !== undefined), { level: 'warn', settings: 'environment' });
	t.is((await ca.admin('GET', '/v1/whoami')).json()['environment'], 'production');
});

test('SIGHUP reads the file again; faults are logged all at once and change nothing; the process goes on', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const { ca, child, log, stop } = await startCaProcess(t, state);
	const file = join(state, 'config.json');
	const original = JSON.parse(readFileSync(file, 'utf8')) as object;
	const lineThat = async (matches: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> => {
		for (;;) {
			const found = log().filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>).find(matches);
			if (found) return found;
			await once(child.stderr!, 'data');
		}
	};
	writeFileSync(file, JSON.stringify({ ...original, tokenTtlSeconds: -1, surprise: true }));
	child.kill('SIGHUP');
	const refused = await lineThat(({ message }) => message === 'the configuration stays as it was');
	t.like(refused, { level: 'error', code: 'config-invalid' });
	t.regex(String(refused['error']), /tokenTtlSeconds: [^]*surprise/);

	writeFileSync(file, JSON.stringify({ ...original, logLevel: 'debug', joinTokenTtlSeconds: 5 }));
	child.kill('SIGHUP');
	await lineThat(({ message, settings }) => message === 'configuration reloaded' && settings === 'joinTokenTtlSeconds, logLevel');
	const before = Date.now();
	const { expiresAt } = (await ca.admin('POST', '/v1/join-tokens', { role: 'node' })).json<{ expiresAt: string }>();
	t.true(Date.parse(expiresAt) - before < 60_000);
	t.is((await ca.request('POST', '/v1/renew', { body: newKey().csr() })).status, 401);
	await ca.request('GET', '/healthz');
	t.like(await lineThat(({ level, route }) => level === 'debug' && route === '/healthz'), { message: 'request' });
	t.is(await stop(), 0);
});
