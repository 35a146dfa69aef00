import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createHostZones } from '../../../../plugin/authz/host-zones.ts';

function zones(t: ExecutionContext, links: Readonly<Record<string, string>> = {}, runtimePaths: () => Promise<readonly string[]> = async () => []) {
	const hostRoot = mkdtempSync(join(tmpdir(), 'birthmark-zones-'));
	t.teardown(() => rmSync(hostRoot, { recursive: true }));
	for (const [name, target] of Object.entries({ '/var/run': '/run', '/bin': 'usr/bin', ...links })) {
		mkdirSync(join(hostRoot, name, '..'), { recursive: true });
		symlinkSync(target, join(hostRoot, name));
	}
	let asked = 0;
	const { ofCall } = createHostZones({
		hostRoot,
		policyPath: '/srv/policy.cedar',
		runtimePaths: async () => (asked++, runtimePaths()),
		self: async () => (asked++, { name: 'birthmark:latest', protectedPaths: ['/data/docker/plugins', '/run/birthmark'], dataRoot: '/data/docker', runPaths: ['/run/docker.sock'] }),
	});
	return { ofCall, powersOf: (path: string, isWritable: boolean) => ofCall().powersOf(path, isWritable), hostRoot, asked: () => asked };
}

const POWERS: readonly (readonly [path: string, powers: readonly string[]])[] = [
	['/', ['host-root']],
	['//', ['host-root']],
	['/srv/..', ['host-root']],
	['/run/docker.sock', ['engine-socket']],
	['/var/run/docker.sock', ['engine-socket']],
	['/run/../run//docker.sock', ['engine-socket']],
	['/run/containerd/containerd.sock', ['engine-socket']],
	['/run/docker/plugins', ['engine-socket']],
	['/run', ['engine-config', 'engine-socket', 'host-services', 'identities']],
	['/var/run', ['engine-config', 'engine-socket', 'host-services', 'identities']],
	['/etc/docker', ['engine-config']],
	['/etc/birthmark', ['engine-config']],
	['/srv/policy.cedar', ['engine-config']],
	['/srv', ['engine-config']],
	['/etc', ['engine-config']],
	['/data', ['engine-data', 'identities']],
	['/data/docker', ['engine-data', 'identities']],
	['/data/docker/containers', ['engine-data']],
	['/var/lib/containerd', ['engine-data']],
	['/var/lib', ['engine-data']],
	['/proc', ['host-proc']],
	['/proc/1/root', ['host-root']],
	['/sys/fs/cgroup', ['host-sys']],
	['/run/dbus/system_bus_socket', ['host-services']],
];

for (const [path, powers] of POWERS) {
	test(`a bind of ${path}, to read it, gives ${powers.join(', ')}`, async (t) => t.deepEqual([...(await zones(t).powersOf(path, false))].sort(), [...powers]));
}

test('what root runs on the host gives power to who may write it', async (t) => {
	const { powersOf } = zones(t);
	for (const path of ['/usr', '/usr/bin/env', '/bin', '/bin/sh', '/etc/cron.d', '/etc/passwd', '/root/.ssh', '/root', '/boot']) {
		t.deepEqual(await powersOf(path, true), ['host-programs'], path);
		t.deepEqual(await powersOf(path, false), [], path);
	}
});

test('so does what the engine runs for containers, wherever somebody has put it', async (t) => {
	let runtimes: readonly string[] | Error = ['/opt/birthmark/birthmark-runtime', '/opt/kata/bin/kata-runtime'];
	const { powersOf } = zones(t, { '/opt/link': '/opt/birthmark' }, () => (runtimes instanceof Error ? Promise.reject(runtimes) : Promise.resolve(runtimes)));
	for (const path of ['/opt', '/opt/birthmark', '/opt/birthmark/birthmark-runtime', '/opt/link', '/opt/kata', '/opt/kata/bin/kata-runtime']) {
		t.deepEqual(await powersOf(path, true), ['host-programs'], path);
		t.deepEqual(await powersOf(path, false), [], path);
	}
	for (const path of ['/opt/kata/bin/other', '/opt/birthmark/other', '/opt/app']) t.deepEqual(await powersOf(path, true), [], path);
	runtimes = ['/srv/runtime'];
	t.deepEqual([await powersOf('/opt/birthmark', true), await powersOf('/srv/runtime/x', true)], [[], ['host-programs']], 'the engine has reloaded');
	runtimes = new Error('away');
	t.deepEqual(await powersOf('/srv/runtime', true), ['host-programs'], 'those that it had');
});

test('while nobody knows what the engine runs, nobody binds anything writable', async (t) => {
	const { powersOf } = zones(t, {}, () => Promise.reject(new Error('away')));
	await t.throwsAsync(powersOf('/home/me', true), { message: 'away' });
	t.deepEqual(await powersOf('/home/me', false), []);
	t.deepEqual(await powersOf('volume', true), []);
});

test('ordinary directories give none', async (t) => {
	const { powersOf } = zones(t);
	for (const path of ['/home/me/project', '/srv/data', '/tmp', '/var/log', '/var/lib/postgresql', '/etc/localtime', '/etc/ssl/certs', '/etc/nginx', '/root/project', '/usr/share/zoneinfo/UTC', '/dev/shm', '/opt/app', '/mnt', '/run/user/1000', '/run/dockerx', 'volume', '']) {
		t.deepEqual(await powersOf(path, true), [], path);
	}
});

test('the directories of identities are for nobody, whichever way a path leads there', async (t) => {
	const { powersOf } = zones(t, { '/srv/a': '/srv/b', '/srv/b': '../run', '/srv/c': '/data/docker/plugins/x' });
	for (const path of ['/run/birthmark', '/var/run/birthmark/x', '/srv/a/birthmark', '/srv/c', '/srv/c/../y', '/etc/../data/docker/plugins']) {
		await t.throwsAsync(powersOf(path, false), { code: 'identity-isolated' }, path);
	}
	t.true((await powersOf('/srv/a', false)).includes('identities'));
});

test('a chain of links without end may lead anywhere', async (t) => {
	t.deepEqual(await zones(t, { '/srv/x': '/srv/y', '/srv/y': '/srv/x' }).powersOf('/srv/x', false), ['host-root']);
});

test('the places are resolved once for a call, as they are at its moment; each path is looked at once', async (t) => {
	const { ofCall, asked, hostRoot } = zones(t, { '/srv/link': '/home' });
	await ofCall().powersOf('/srv/first', true);
	const before = asked();
	const paths = ofCall();
	for (let index = 0; index < 100; index++) t.deepEqual(await paths.powersOf(`/srv/${index}`, true), []);
	t.is(asked() - before, 2, 'where the identities are, and what the engine runs');
	t.deepEqual(await paths.powersOf('/srv/link/x', false), []);
	rmSync(join(hostRoot, 'srv/link'));
	symlinkSync('/run/birthmark', join(hostRoot, 'srv/link'));
	t.deepEqual(await paths.powersOf('/srv/link/x', false), [], 'of the same call');
	await t.throwsAsync(ofCall().powersOf('/srv/link/x', false), { code: 'identity-isolated' }, 'of the next');
	symlinkSync('/srv/later', join(hostRoot, 'run'));
	await t.throwsAsync(ofCall().powersOf('/srv/later/birthmark', false), { code: 'identity-isolated' }, 'a place that has moved');
});

test('a call names a thousand paths of the host at most; the same one again is none more', async (t) => {
	const { powersOf } = zones(t).ofCall();
	for (let index = 0; index < 1000; index++) await powersOf(`/srv/${index}`, false);
	t.deepEqual([await powersOf('/srv/7', false), await powersOf('volume', false)], [[], []]);
	await t.throwsAsync(powersOf('/srv/1000', false), { code: 'request-too-large', message: /more than 1000 paths of the host, .*name fewer/ });
});

test('neither are the paths of a call longer, all together, than can be looked at in a moment', async (t) => {
	const paths = zones(t).ofCall();
	const long = (index: number): string => `/${index}${'/a'.repeat(1999)}`;
	for (let index = 0; index < 10; index++) t.deepEqual(await paths.powersOf(long(index), false), []);
	await t.throwsAsync(paths.powersOf('/b', false), { code: 'request-too-large', message: /more than 20000 parts/ });
});
