/** What a policy is told is what the engine will do, however the request spells it. */

import test from 'ava';
import { parseImageName } from '#common/policy/image-name.ts';
import { parseCreateBody } from '../../../../plugin/authz/create-body.ts';
import { factsOfContainer, factsOfCreate } from '../../../../plugin/policy/container-facts.ts';
import { engineContainer } from '../../../fakes/plugin-engine.ts';

const DIGEST = 'sha256:' + 'd'.repeat(64);
const image = { Id: 'sha256:' + '1'.repeat(64), RepoDigests: [`x@${DIGEST}`], Config: { User: '1000:1000' } };
const facts = (body: object) => factsOfCreate(parseCreateBody(Buffer.from(JSON.stringify(body))), image);

for (const [reference, repository, tag] of [
	['nginx', 'nginx', 'latest'], ['docker.io/library/nginx:1', 'nginx', '1'], ['index.docker.io/acme/web:2', 'acme/web', '2'], ['localhost:5000/web', 'localhost:5000/web', 'latest'],
	['ghcr.io/acme/web:v1', 'ghcr.io/acme/web', 'v1'], [`web@${DIGEST}`, 'web', ''], [`web:3@${DIGEST}`, 'web', '3'], [DIGEST, '', ''], ['d'.repeat(64), '', ''], ['', '', ''],
] as const) {
	test(`the image ${reference || 'without a name'} is ${repository || 'of no repository'}`, (t) => {
		const name = parseImageName(reference);
		t.deepEqual([name.repository, name.tag], [repository, tag]);
	});
}

test('root is root however it is written', (t) => {
	for (const user of ['root', '0', '0:0', 'root:33', '+0', '-0', '00', ':7']) t.is(facts({ User: user }).user, 'root', user);
	t.is(facts({ User: '1000:0' }).user, '1000');
	t.is(facts({ User: 'www-data' }).user, 'www-data');
	t.is(facts({}).user, '1000', 'that of the image');
});

test('networks, mounts and capabilities are complete, and spelt one way', (t) => {
	const { network, networks, binds, volumes, capabilities } = facts({
		HostConfig: { NetworkMode: 'a', Binds: ['/etc:/x:ro', 'data:/y', 'project_identity:/run/birthmark/'], CapAdd: ['cap_net_admin', 'NET_ADMIN', 'CAP_CAP_SYS_TIME'], Mounts: [{ Type: 'bind', Source: '/srv', Target: '/z' }, { Type: 'volume', Source: 'more', Target: '/v' }, { Type: 'tmpfs', Target: '/t' }] },
		NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } },
	});
	t.deepEqual({ network, networks, binds, volumes, capabilities }, { network: 'a', networks: ['a', 'b'], binds: ['/etc', '/srv'], volumes: ['data', 'more'], capabilities: ['NET_ADMIN', 'SYS_TIME'] });
	t.is(facts({}).network, 'default');
	t.deepEqual(facts({ HostConfig: { Binds: ['/:/run/birthmark'] } }).binds, ['/'], 'what is no volume is told wherever it goes');
});

test('a path is told as the engine binds it', (t) => {
	t.deepEqual(facts({ HostConfig: { Binds: ['//etc/:/a', '/srv/../etc:/b', '/etc/.:/c'], Mounts: [{ Type: 'bind', Source: '/var//log/', Target: '/d' }] } }).binds, ['/etc', '/var/log']);
});

test('digests are those that the engine knows, not those that were asked for', (t) => {
	t.deepEqual(facts({ Image: 'x@sha256:' + 'e'.repeat(64) }).image.digests, [DIGEST]);
});

test('labels that are no names name nobody', (t) => {
	t.is(factsOfContainer(engineContainer({ Id: 'a'.repeat(64) })).commonName, 'victim');
	t.is(factsOfContainer(engineContainer({ Id: 'a'.repeat(64), Labels: { 'birthmark.cn': 'WEB 01', 'birthmark.ou': 'web' } })).commonName, '');
	t.is(factsOfContainer(engineContainer({ Id: 'a'.repeat(64), Labels: null })).commonName, '');
});

test('a container is called by its own name, whatever names links give it', (t) => {
	const linked = engineContainer({ Id: 'a'.repeat(64), Names: ['/dev/prod', '/prod'], Labels: { 'birthmark.cn': 'auto' } });
	t.like(factsOfContainer(linked), { name: 'prod', commonName: 'prod' });
});
