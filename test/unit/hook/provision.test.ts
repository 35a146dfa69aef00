import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { EngineClient } from '../../../hook/docker.ts';
import { provision } from '../../../hook/provision.ts';

const identity = { commonName: 'api01', organizationalUnit: 'web-api' };

function engine(images: Record<string, object>): EngineClient {
	return {
		getImage: (name) => ({
			async inspect() {
				const config = images[name];
				if (config === undefined) throw Object.assign(new Error('no such image'), { statusCode: 404 });
				return { Config: config };
			},
		}),
	};
}
const docker = engine({ 'my/api': { Entrypoint: null, Cmd: ['/bin/api'] } });

test('a container gets labels, volume and agent, and keeps everything else', async (t) => {
	const options = { Image: 'my/api', Env: ['A=1'], Labels: { team: 'x' }, HostConfig: { Memory: 1e8, Mounts: [{ Type: 'tmpfs' as const, Source: '', Target: '/tmp' }] } };
	const before = structuredClone(options);
	t.deepEqual(await provision(docker, options, identity), {
		Image: 'my/api',
		Env: ['A=1'],
		Labels: { 'team': 'x', 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api' },
		Entrypoint: ['/run/birthmark/bin/birthmark-agent', 'exec', '--'],
		Cmd: ['/bin/api'],
		HostConfig: {
			Memory: 1e8,
			Mounts: [
				{ Type: 'tmpfs', Source: '', Target: '/tmp' },
				{ Type: 'volume', Target: '/run/birthmark', Source: '', VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: 'birthmark', Options: {} } } },
			],
		},
	});
	t.deepEqual(options, before);
});

test('everything that an identity may ask for becomes a label', async (t) => {
	const { Labels } = await provision(docker, { Image: 'my/api' }, { ...identity, dnsNames: ['api', 'api.example.com'], profile: 'workload', lifetimeSeconds: 900, uid: 1000, gid: 0, directoryMode: 0o750, caWay: 'network' });
	t.deepEqual(Labels, {
		'birthmark.cn': 'api01',
		'birthmark.ou': 'web-api',
		'birthmark.dns': 'api,api.example.com',
		'birthmark.profile': 'workload',
		'birthmark.ttl': '900',
		'birthmark.uid': '1000',
		'birthmark.gid': '0',
		'birthmark.mode': '0750',
		'birthmark.ca': 'network',
	});
});

test('a container whose agent the node runs keeps its own command', async (t) => {
	const options = await provision(docker, { Image: 'my/api', Cmd: ['serve'] }, { ...identity, agentMode: 'node' });
	t.deepEqual([options.Entrypoint, options.Cmd, options.Labels?.['birthmark.agent']], [undefined, ['serve'], 'node']);
	t.is(options.HostConfig?.Mounts?.length, 1);
});

test('a role that nobody says is left to the plugin', async (t) => {
	const { Labels } = await provision(docker, { Image: 'my/api' }, { commonName: 'api01' });
	t.deepEqual(Labels, { 'birthmark.cn': 'api01' });
});

test('a plugin under another name is used when asked for', async (t) => {
	const { HostConfig } = await provision(docker, { Image: 'my/api' }, identity, { driver: 'registry.example/birthmark:1' });
	t.is(HostConfig?.Mounts?.[0]?.VolumeOptions?.DriverConfig.Name, 'registry.example/birthmark:1');
});

const refusals = [
	['a name that cannot be issued', { Image: 'my/api' }, { ...identity, commonName: 'api_01' }, 'name-illegal'],
	['a DNS name that cannot be issued', { Image: 'my/api' }, { ...identity, dnsNames: ['*.example.com'] }, 'name-illegal'],
	['another mount at the place of the identity', { Image: 'my/api', HostConfig: { Mounts: [{ Type: 'bind' as const, Source: '/x', Target: '/run/birthmark' }] } }, identity, 'mount-illegal'],
	['an image that the engine does not have', { Image: 'other' }, identity, 'not-found'],
	['options without an image', {}, identity, 'usage'],
] as const;
for (const [what, options, wanted, code] of refusals) {
	test(`${what} is refused before the engine is asked to create`, async (t) => {
		const error = await t.throwsAsync(provision(docker, structuredClone(options) as object, wanted), { instanceOf: BirthmarkError });
		t.is(error.code, code);
	});
}

test('an engine that does not answer is named', async (t) => {
	const broken: EngineClient = { getImage: () => ({ inspect: async () => Promise.reject(Object.assign(new Error('connect ENOENT'), { code: 'ENOENT' })) }) };
	const error = await t.throwsAsync(provision(broken, { Image: 'my/api' }, identity), { instanceOf: BirthmarkError });
	t.is(error.code, 'engine-unavailable');
});
