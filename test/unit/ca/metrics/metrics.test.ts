/** The metrics of a real CA after things have happened to it. */

import test from 'ava';
import { get } from 'node:http';
import { bundleDigest, createToken, formatToken } from '#common/protocol/token.ts';
import { newKey, startCa, type Credentials, type TestCa } from '../../../support/ca.ts';

async function scrape(ca: TestCa): Promise<Map<string, number>> {
	const { text } = await ca.admin('GET', '/v1/metrics');
	return new Map(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
		const [, name, value] = /^(\S+(?:\{[^}]*\})?) (\S+)$/.exec(line)!;
		return [name!, Number(value)];
	}));
}

test('authorizations and signings are counted by what came of them and why', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1', ['web*/web']);
	const web = await ca.enrol(node, 'web01', 'web');
	await ca.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() });
	await ca.request('POST', '/v1/renew', { credentials: web, body: 'nonsense' });
	await ca.request('POST', '/v1/authorize', { credentials: node, body: { commonName: 'db01', organizationalUnit: 'db', dnsNames: [], image: 'x', containerId: 'a'.repeat(64) } });
	const token = formatToken(createToken('container', bundleDigest(ca.bundle)));
	await ca.request('PUT', `/v1/sign/${token}`, { body: newKey().csr() });
	const metrics = await scrape(ca);
	t.is(metrics.get('birthmark_authorizations_total{outcome="done",reason=""}'), 1);
	t.is(metrics.get('birthmark_authorizations_total{outcome="refused",reason="name-not-allowed"}'), 1);
	t.is(metrics.get('birthmark_signings_total{method="POST",route="/v1/sign",outcome="done",reason=""}'), 1);
	t.is(metrics.get('birthmark_signings_total{method="PUT",route="/v1/sign/:token",outcome="refused",reason="token-unknown"}'), 1);
	t.is(metrics.get('birthmark_signings_total{method="POST",route="/v1/renew",outcome="done",reason=""}'), 1);
	t.is(metrics.get('birthmark_signings_total{method="POST",route="/v1/renew",outcome="refused",reason="csr-malformed"}'), 1);
	t.is(metrics.get('birthmark_request_duration_seconds_count{method="POST",route="/v1/renew",outcome="done"}'), 1);
});

test('what workloads tell of their certificates is counted, and looked up for those that live', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	const gone = await ca.enrol(node, 'web02', 'web');
	const report = (credentials: Credentials, body: object) => ca.request('POST', '/v1/reloads', { credentials, body });
	await report(gone, { outcome: 'mismatch', attempts: 1 });
	await report(web, { outcome: 'verified', attempts: 1 });
	await report(web, { outcome: 'no-answer', attempts: 2 });
	await ca.request('DELETE', `/v1/authorizations/${gone.authorizationId}`, { credentials: node });
	for (const body of [{ outcome: 'hunter2', attempts: 1 }, { outcome: 'verified' }, { outcome: 'verified', attempts: 0 }, { outcome: 'mismatch', attempts: 1, servedSerial: 'x' }, { outcome: 'verified', attempts: 1, more: 1 }]) {
		t.like((await report(web, body)).json(), { code: 'request-malformed' });
	}
	t.like((await report(node, { outcome: 'verified', attempts: 1 })).json(), { code: 'forbidden' });
	const metrics = await scrape(ca);
	t.is(metrics.get('birthmark_reloads_total{outcome="mismatch"}'), 1);
	t.is(metrics.get('birthmark_reloads_total{outcome="verified"}'), 1);
	t.is(metrics.get('birthmark_identities_reload{outcome="no-answer"}'), 1);
	t.is(metrics.get('birthmark_identities_reload{outcome="verified"}'), 0);
	t.is(metrics.get('birthmark_identities_reload{outcome="mismatch"}'), 0);
});

test('what lives, what will end, and the lists are told', async (t) => {
	const ca = await startCa(t, { config: { profiles: { node: { lifetimeSeconds: 1800 }, ca: { rootLifetimeSeconds: 100 * 24 * 3600, intermediateLifetimeSeconds: 50 * 24 * 3600 } } } });
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	await ca.enrol(node, 'web02', 'web');
	await ca.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() });
	const metrics = await scrape(ca);
	t.is(metrics.get('birthmark_identities_live{role="workload"}'), 2);
	t.is(metrics.get('birthmark_identities_live{role="node"}'), 1);
	t.is(metrics.get('birthmark_identities_expiring{role="node",within_seconds="300"}'), 0);
	t.is(metrics.get('birthmark_identities_expiring{role="node",within_seconds="3600"}'), 1);
	t.is(metrics.get('birthmark_identities_expiring{role="workload",within_seconds="21600"}'), 0);
	t.is(metrics.get('birthmark_identities_expiring{role="workload",within_seconds="604800"}'), 2);
	t.true(metrics.get('birthmark_crl_expires_seconds')! > 80_000);
	t.true(metrics.get('birthmark_crl_age_seconds')! < 3600);
	t.true(metrics.get('birthmark_crl_number')! >= 1);
	t.true(metrics.get('birthmark_audit_sequence')! + metrics.get('birthmark_audit_pending')! >= 6);
	t.is(metrics.get('birthmark_store_waiting'), 0);
	t.is(metrics.get('birthmark_rotation_stage{stage="idle"}'), 1);
	t.is(metrics.get('birthmark_rotation_stage{stage="prepared"}'), 0);
	t.is(metrics.get('birthmark_authority_generation'), 1);
	const day = 24 * 3600;
	const { root, intermediate } = { root: metrics.get('birthmark_authority_expires_seconds{certificate="root"}')!, intermediate: metrics.get('birthmark_authority_expires_seconds{certificate="intermediate"}')! };
	t.true(Math.abs(root - 100 * day) < 3600);
	t.true(Math.abs(intermediate - 50 * day) < 3600);
});

test('who is shut out is told, and nothing that somebody sends becomes a label', async (t) => {
	const ca = await startCa(t, { config: { blackhole: { addressFailures: 2, shutOutSeconds: 600 } } });
	for (let attempt = 0; attempt < 3; attempt++) await ca.request('PUT', '/v1/sign/hunter2', { body: 'x' });
	await ca.request('GET', '/v1/hunter2');
	await ca.request('PROPFIND', '/v1/roots');
	await ca.request('BREW', '/v1/hunter2').catch(() => undefined);
	const metrics = await scrape(ca);
	t.is(metrics.get('birthmark_sources_shut_out{kind="address"}'), 1);
	t.is(metrics.get('birthmark_shut_outs_total{kind="address"}'), 1);
	t.is(metrics.get('birthmark_shut_outs_total{kind="token"}'), 0);
	const text = [...metrics.keys()].join('\n');
	t.notRegex(text, /hunter2|PROPFIND|BREW/);
});

test('a listener of its own has the metrics and nothing else', async (t) => {
	const ca = await startCa(t, { config: { metrics: { port: 0 } } });
	const fetchPlain = (path: string) => new Promise<{ status: number; body: string; type: string | undefined }>((resolve, reject) => {
		get({ host: '127.0.0.1', port: ca.metricsPort!, path, agent: false }, async (response) => {
			const body = Buffer.concat(await response.toArray() as Buffer[]).toString();
			resolve({ status: response.statusCode!, body, type: response.headers['content-type'] });
		}).once('error', reject);
	});
	const { status, body, type } = await fetchPlain('/metrics');
	t.is(status, 200);
	t.regex(type!, /^text\/plain; version=0\.0\.4/);
	t.regex(body, /^birthmark_build_info\{version="[^"]+"\} 1$/m);
	for (const path of ['/v1/metrics', '/v1/nodes', '/healthz', '/v1/roots']) t.is((await fetchPlain(path)).status, 404, path);
});
