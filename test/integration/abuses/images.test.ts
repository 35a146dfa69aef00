/** Abuses 32–34, 38, 40, 41, 44: images and builds. */

import type { ExecutionContext } from 'ava';
import { abuse, harmless, json, message, refused, type Scene } from '../../support/abuse.ts';
import { AGENT, DIRECTORY, eventually } from '../../support/world.ts';

/** Builds an image for one test, with the classic builder. @returns its name */
async function build(t: ExecutionContext, { world }: Scene, dockerfile: string): Promise<string> {
	const image = `test/${world.name('image')}`;
	t.teardown(() => world.cli(['rmi', '--force', image]));
	const built = await world.cli(['build', '--tag', image, '-'], dockerfile);
	t.is(built.code, 0, built.stderr);
	return image;
}

const identityMount = ({ world }: Scene, options: object = {}): object => ({ Type: 'volume', Target: DIRECTORY, VolumeOptions: { NoCopy: true, DriverConfig: { Name: world.plugin }, ...options } });
const labels = (name: string): object => ({ 'birthmark.cn': name, 'birthmark.ou': 'web' });

abuse(32, 'an image brings files of its own to the place of the identity', refused('volume-unknown'), async (t, scene) => {
	const { world } = scene;
	const image = await build(t, scene, 'FROM test/busybox\nRUN mkdir -p /run/birthmark && echo BMKTKN-1-forged > /run/birthmark/token\n');
	const name = world.name('web');
	t.teardown(() => world.docker.getContainer(name).remove({ force: true, v: true }).catch(() => {}));
	const create = (options: object): Uint8Array => json(`POST /containers/create?name=${name}`, { Image: image, Labels: labels(name), Entrypoint: [AGENT], Cmd: ['exec', '--', 'sleep', '600'], HostConfig: { Mounts: [identityMount(scene, options)] } });
	const copying = await scene.send(create({ NoCopy: false }));
	t.is(copying.status, 500, copying.body);
	t.regex(copying.body, /\[volume-unknown\]/, 'the engine gets no volume to copy them to');
	t.is((await scene.send(create({}))).status, 201);
	await world.docker.getContainer(name).start();
	t.truthy(await eventually('the real one is used', () => world.identity(name)), 'and without copying none of it is there');
});

abuse(33, 'an image has a link at the place of the identity', harmless(), async (t, scene) => {
	const { world } = scene;
	const image = await build(t, scene, 'FROM test/busybox\nRUN mkdir -p /shared/elsewhere /run && ln -s /shared/elsewhere /run/birthmark\n');
	const name = world.name('web');
	const shared = world.name('shared');
	t.teardown(() => world.docker.getVolume(shared).remove());
	// Where the link leads, another container looks on.
	const onlooker = await world.plain(t, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'], HostConfig: { Binds: [`${shared}:/shared`] } });
	await onlooker.start();
	const container = await world.plain(t, { name, Image: image, Labels: labels(name) as Record<string, string>, Entrypoint: [AGENT], Cmd: ['exec', '--', 'sleep', '600'], HostConfig: { Binds: [`${shared}:/shared`], Mounts: [identityMount(scene)] as never } });
	await container.start();
	t.truthy(await eventually('it gets its identity, on the tmpfs that the link leads to', () => world.identity(name)));
	t.is((await world.exec(onlooker, ['find', '/shared', '-type', 'f'])).stdout, '', 'what is mounted in one container is not seen in another');
	await scene.refusesCreate(t, { Image: image, Labels: labels(world.name('web')), HostConfig: { Binds: ['/tmp:/shared:rshared'], Mounts: [identityMount(scene)] } }, { code: 'mount-illegal' });
});

abuse(34, 'something else is mounted at the place of the identity, or below it', refused('mount-illegal'), async (t, scene) => {
	const name = scene.world.name('web');
	const mounts = [identityMount(scene)];
	for (const HostConfig of [{ Binds: ['/tmp:/run/birthmark/bin'] }, { Tmpfs: { '/run/birthmark/': '' } }, { Binds: ['data:/run/../run/birthmark/x'] }]) {
		await scene.refusesCreate(t, { Labels: labels(name), HostConfig: { ...HostConfig, Mounts: mounts } });
	}
	await scene.refusesCreate(t, { Labels: labels(name), HostConfig: { Mounts: [...mounts, { Type: 'tmpfs', Target: '/run/birthmark/secrets' }] } });
	await scene.refusesCreate(t, { Labels: labels(name), Volumes: { '/run/birthmark/x': {} }, HostConfig: { Mounts: mounts } });
	// The volumes of an image are not in the request: the container is there, and has no identity.
	const image = await build(t, scene, 'FROM test/busybox\nVOLUME /run/birthmark/bin\n');
	t.teardown(() => scene.world.docker.getContainer(name).remove({ force: true, v: true }));
	const created = await scene.refuses(t, json(`POST /containers/create?name=${name}`, { Image: image, Labels: labels(name), HostConfig: { Mounts: mounts } }));
	t.regex(created.body, /has no identity/);
	t.not((await scene.send(message(`POST /containers/${name}/start`, ['Content-Length: 0']))).status, 204, 'and does not start');
});

abuse(38, 'an image brings the labels that the request does not show', refused('mount-missing', 'name-not-allowed'), async (t, scene) => {
	const mine = await build(t, scene, 'FROM test/busybox\nLABEL birthmark.cn=web77 birthmark.ou=web\n');
	const others = await build(t, scene, 'FROM test/busybox\nLABEL birthmark.cn=root birthmark.ou=admin\n');
	await scene.refusesCreate(t, { Image: mine }, { code: 'mount-missing' });
	await scene.refusesCreate(t, { Image: others, HostConfig: { Mounts: [identityMount(scene)] } }, { code: 'name-not-allowed' });
});

abuse(40, 'a step of a build takes the labels of its image for an identity', harmless(), async (t, scene) => {
	const { world } = scene;
	const labelled = await build(t, scene, `FROM test/busybox\nLABEL birthmark.cn=${world.name('web')} birthmark.ou=web\n`);
	const before = (await world.identities(true)).length;
	const image = await build(t, scene, `FROM ${labelled}\nRUN ls -a /run/birthmark > /seen 2>&1 || true\nLABEL birthmark.cn= birthmark.ou=\n`);
	t.is((await world.identities(true)).length, before);
	const { output } = await scene.attempt(t, { Image: await withoutLabels(t, scene, image), Cmd: ['cat', '/seen'] });
	t.regex(output, /No such file/, 'there is nothing where identities are');
});

abuse(44, 'the tag is given to another image between the decision and the start', harmless(), async (t, scene) => {
	const { world } = scene;
	const [good, bad] = [await build(t, scene, 'FROM test/busybox\nRUN echo good > /which\n'), await build(t, scene, 'FROM test/busybox\nRUN echo bad > /which\n')];
	const name = world.name('api');
	const container = await world.create(t, { commonName: name, organizationalUnit: 'web-api' }, { name, Image: good, Entrypoint: ['sleep'], Cmd: ['600'] });
	const [repository] = good.split(':');
	t.is((await scene.send(message(`POST /images/${bad}/tag?repo=${repository}&tag=latest`, ['Content-Length: 0']))).status, 201);
	await container.start();
	t.truthy(await eventually('it has its identity', () => world.identity(name)));
	t.is((await world.exec(container, ['cat', '/which'])).stdout, 'good\n', 'what starts is what was decided on');
});

/** The same files in an image that asks for nothing. */
async function withoutLabels(t: ExecutionContext, scene: Scene, image: string): Promise<string> {
	return build(t, scene, `FROM ${image} AS seen\nFROM test/busybox\nCOPY --from=seen /seen /seen\n`);
}
