import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { PluginStatus } from '#common/protocol/plugin-status.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { createCounter, createHistogram, gaugeText } from '../../../../plugin/metrics/exposition.ts';
import { listenForScrapers, parseMetricsAddress } from '../../../../plugin/metrics/listener.ts';
import { createPluginMetrics } from '../../../../plugin/metrics/plugin-metrics.ts';

const NOW = new Date('2030-01-31T10:00:00Z');
const STATUS: PluginStatus = { version: '1.2.3', seen: true, inChain: true, joined: true, node: 'host1', nodeCertificateExpires: '2030-01-31T11:00:00.000Z', bundleDigest: null, ca: 'reachable', clockSkewSeconds: -2, pendingRevocations: 3, policy: 'none', tmpfs: 'ok', noswap: true };

function world(status: Partial<PluginStatus> = {}) {
	let clock = 0;
	const metrics = createPluginMetrics({ status: () => ({ ...STATUS, ...status }), proofs: () => ({ positive: 5, negative: 1, unanswered: 2 }), mounted: () => 4, now: () => NOW, monotonic: () => clock });
	return { metrics, lines: () => metrics.text().split('\n'), wait: (ms: number) => void (clock += ms) };
}

test('a counter, a gauge and a histogram are written as Prometheus reads them', (t) => {
	const counter = createCounter('c_total', 'Things');
	counter.add({ of: 'a "b"\\\n' });
	counter.series({ of: 'x' })();
	counter.add({ of: 'x' });
	t.is(counter.text(), '# HELP c_total Things\n# TYPE c_total counter\nc_total{of="a \\"b\\"\\\\\\n"} 1\nc_total{of="x"} 2\n');
	t.is(gaugeText('g', 'Now', [[{}, 1.5], [{ of: 'a' }, undefined]]), '# HELP g Now\n# TYPE g gauge\ng 1.5\n');
	const histogram = createHistogram('h', 'Took', [0.1, 1]);
	for (const seconds of [0.1, 0.5, 7]) histogram.observe(seconds);
	t.is(histogram.text(), '# HELP h Took\n# TYPE h histogram\nh_bucket{le="0.1"} 1\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 7.6\nh_count 3\n');
});

test('calls are counted by what became of them, and why', async (t) => {
	const { metrics, lines, wait } = world();
	const passes = metrics.passing('request', (message) => message.length === 0);
	t.deepEqual([passes(Buffer.alloc(0)), passes(Buffer.alloc(1))], [true, false]);
	const judge = metrics.judging('request', async (verdict: { Allow: boolean; Msg?: string }) => (wait(2), verdict));
	await judge({ Allow: true });
	await judge({ Allow: false, Msg: 'birthmark: no [identity-isolated]' });
	await judge({ Allow: false, Msg: 'birthmark: a proof [made-up]' });
	const total = (outcome: string, reason: string) => `birthmark_plugin_authorizations_total{phase="request",outcome="${outcome}",reason="${reason}"} 1`;
	for (const line of [total('passed', ''), total('allowed', ''), total('refused', 'identity-isolated'), total('refused', 'proof')]) t.true(lines().includes(line), line);
	t.true(lines().includes('birthmark_plugin_judging_duration_seconds_bucket{le="0.001"} 0'));
	t.true(lines().includes('birthmark_plugin_judging_duration_seconds_bucket{le="0.0025"} 3'));
});

test('mounts are counted and timed, and fail as they would have failed', async (t) => {
	const { metrics, lines, wait } = world();
	const mount = metrics.mounting(async (fails: boolean) => {
		wait(30);
		if (fails) throw new BirthmarkError('enforcement-missing');
		return { Mountpoint: '/m' };
	});
	t.deepEqual(await mount(false), { Mountpoint: '/m' });
	await t.throwsAsync(mount(true), { code: 'enforcement-missing' } as never);
	t.true(lines().includes('birthmark_plugin_mounts_total{outcome="done",reason=""} 1'));
	t.true(lines().includes('birthmark_plugin_mounts_total{outcome="refused",reason="enforcement-missing"} 1'));
	t.true(lines().includes('birthmark_plugin_mount_duration_seconds_count 2'));
});

test('what is so now is looked up when somebody asks', (t) => {
	const expected = ['enforcement{state="proved"} 1', 'enforcement{state="missing"} 0', 'proofs_total{result="negative"} 1', 'identities_mounted 4', 'outbox_length 3', 'joined 1', 'ca_reachable 1', 'node_certificate_expires_seconds 3600', 'clock_skew_seconds -2', 'policy_ok 1', 'tmpfs_ok 1', 'build_info{version="1.2.3"} 1'];
	for (const line of expected) t.true(world().lines().includes(`birthmark_plugin_${line}`), line);
	const bad = world({ inChain: false, joined: false, nodeCertificateExpires: null, ca: 'away', clockSkewSeconds: null, policy: 'line 3: what is that', tmpfs: 'no' }).lines();
	for (const line of ['enforcement{state="missing"} 1', 'joined 0', 'ca_reachable 0', 'policy_ok 0', 'tmpfs_ok 0']) t.true(bad.includes(`birthmark_plugin_${line}`), line);
	t.false(bad.some((line) => line.startsWith('birthmark_plugin_clock_skew_seconds ')));
	t.true(world({ inChain: null }).lines().includes('birthmark_plugin_enforcement{state="unknown"} 1'));
});

test('addresses', (t) => {
	t.deepEqual(parseMetricsAddress('127.0.0.1:9323'), { host: '127.0.0.1', port: 9323 });
	t.deepEqual(parseMetricsAddress('[::1]:0'), { host: '::1', port: 0 });
	t.deepEqual(parseMetricsAddress('localhost:1'), { host: 'localhost', port: 1 });
	for (const text of ['9323', ':9323', '::1:9323', '127.0.0.1', '127.0.0.1:70000', '127.0.0.1:x', 'http://127.0.0.1:1', '[]:1']) t.is(parseMetricsAddress(text), undefined, text);
});

test('the listener answers scrapers and nobody else; an address in use is no end', async (t) => {
	const server = (await listenForScrapers({ host: '127.0.0.1', port: 0 }, () => 'x 1\n', silentLogger))!;
	t.teardown(() => server.close());
	const { port } = server.address() as AddressInfo;
	const ask = async (path: string, method = 'GET'): Promise<[number | undefined, string]> => {
		const call = request({ port, host: '127.0.0.1', path, method, agent: false }).end();
		const [answer] = await once(call, 'response') as [import('node:http').IncomingMessage];
		let text = '';
		for await (const chunk of answer) text += String(chunk);
		return [answer.statusCode, text];
	};
	t.deepEqual(await ask('/metrics'), [200, 'x 1\n']);
	t.is((await ask('/'))[0], 404);
	t.is((await ask('/metrics', 'POST'))[0], 404);
	t.is(await listenForScrapers({ host: '127.0.0.1', port }, () => '', silentLogger), undefined);
});

test('what cannot be told, or a connection that cannot be accepted, does not end the plugin', async (t) => {
	const server = (await listenForScrapers({ host: '127.0.0.1', port: 0 }, () => { throw new Error('the disk is full'); }, silentLogger))!;
	t.teardown(() => server.close());
	for (let i = 0; i < 2; i++) {
		const call = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', path: '/metrics', agent: false }).end();
		const [answer] = await once(call, 'response') as [import('node:http').IncomingMessage];
		t.is(answer.statusCode, 500);
		answer.resume();
	}
	t.notThrows(() => server.emit('error', new Error('EMFILE')));
});
