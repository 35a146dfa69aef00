/** Abuses 23–28: reaching the volume of an identity from another container. */

import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { absent, abuse, harmless, json, refused } from '../../support/abuse.ts';

const IMAGE = 'test/busybox';

abuse(23, 'another container mounts the volume by name', refused('identity-isolated', 'mount-illegal'), async (t, scene) => {
	const { volume } = await scene.sharedVictim(t);
	for (const bind of [`${volume}:/x`, `${volume}:/x:ro`, `${volume}:/x:nocopy,ro`, `${volume}:/run/birthmark`]) await scene.refusesCreate(t, { HostConfig: { Binds: [bind] } }, { code: 'identity-isolated' });
	const mount = { Type: 'volume', Source: volume, Target: '/x' };
	for (const more of [{}, { ReadOnly: true }, { VolumeOptions: { Subpath: 'identity.pem' } }, { VolumeOptions: { NoCopy: true, DriverConfig: { Name: 'local' } } }, { Type: 'VOLUME' }, { Type: 'cluster' }, { Type: 'npipe' }]) {
		await scene.refusesCreate(t, { HostConfig: { Mounts: [{ ...mount, ...more }] } }, { code: 'identity-isolated' });
	}
	// With an identity of its own, and asking for the same volume.
	const labels = { 'birthmark.cn': scene.world.name('web'), 'birthmark.ou': 'web' };
	await scene.refusesCreate(t, { Labels: labels, HostConfig: { Mounts: [{ ...mount, Target: '/run/birthmark' }] } }, { code: 'identity-isolated' });
	await scene.refusesCreate(t, { Labels: labels, HostConfig: { Mounts: [mount] } }, { code: 'mount-illegal' });
	// The directory of the agent, which all containers share.
	const own = { Type: 'volume', Target: '/run/birthmark', VolumeOptions: { Subpath: 'bin', DriverConfig: { Name: 'birthmark' } } };
	await scene.refusesCreate(t, { Labels: labels, HostConfig: { Mounts: [own] } }, { code: 'mount-illegal' });
});

abuse(23, 'a mount of an image shows nothing of the containers made of it', harmless(), async (t, scene) => {
	const { container } = await scene.sharedVictim(t);
	const mounts = [{ Type: 'image', Source: IMAGE, Target: '/x' }];
	const { answer, output } = await scene.attempt(t, { Cmd: ['find', '/x', '-name', '*.pem', '-o', '-name', 'token'], HostConfig: { Mounts: mounts } });
	t.true((await container.inspect()).State.Running);
	if (answer.status === 400) return absent('this engine mounts no images');
	t.is(answer.status, 201, answer.body);
	t.is(output, '');
});

abuse(24, 'another container takes the volumes of the victim', refused('identity-isolated'), async (t, scene) => {
	const { id, name } = await scene.sharedVictim(t);
	for (const reference of [name, `/${name}`, id, id.slice(0, 12), id.slice(0, 6), `${name}:ro`, `${id}:rw`]) {
		await scene.refusesCreate(t, { HostConfig: { VolumesFrom: [reference] } });
		await scene.refusesCreate(t, { hostconfig: { VOLUMESFROM: ['x', reference] } });
	}
	// A link gives it another name.
	const linked = scene.world.name('linked');
	t.teardown(() => scene.world.docker.getContainer(linked).remove({ force: true }).catch(() => {}));
	const answer = await scene.send(json(`POST /containers/create?name=${linked}`, { Image: IMAGE, HostConfig: { Links: [`${name}:v`] } }));
	t.is(answer.status, 201, answer.body);
	for (const reference of [`${linked}/v`, `/${linked}/v:ro`]) await scene.refusesCreate(t, { HostConfig: { VolumesFrom: [reference] } });
});

abuse(25, 'another container binds the directory of the identities, or one above', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const { directory } = await scene.sharedVictim(t);
	const link = join(world.state, world.name('link'));
	symlinkSync(world.paths.run, link);
	const above: string[] = [];
	for (let path = directory; path !== '/'; path = dirname(path)) above.push(path);
	const paths = [...above, '/', `${directory}/`, join(directory, 'identity.pem'), `//${directory}/.`, `${directory}/../..`, link, `${link}/birthmark`, world.paths.shortRun, `${world.paths.shortRun}/birthmark`, join(world.paths.data, 'plugins'), `/proc/self/root${directory}`, `/proc/1/root${directory}`, `/proc/self/cwd${directory}`, '/proc/self/cwd', '/dev/fd/3', `/tmp/..${directory}`];
	for (const path of paths) {
		await scene.refusesCreate(t, { HostConfig: { Binds: [`${path}:/x:ro`] } });
		await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'bind', Source: path, Target: '/x', ReadOnly: true, BindOptions: { Propagation: 'rslave', NonRecursive: false } }] } });
	}
});

abuse(26, 'the same by options of the local driver', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const { directory } = await scene.sharedVictim(t);
	const elsewhere = join(world.state, world.name('elsewhere'));
	mkdirSync(elsewhere);
	const options: Record<string, string>[] = [
		{ type: 'none', o: 'bind', device: directory },
		{ type: '', o: 'rbind,ro', device: dirname(directory) },
		{ o: 'bind', device: `/proc/self/root${directory}` },
		{ type: 'none', o: 'bind', device: directory.slice(1) },
		{ type: 'overlay', device: 'overlay', o: `lowerdir=${directory}:${elsewhere}` },
		{ type: 'overlay', device: 'overlay', o: `lowerdir=${elsewhere},upperdir=${directory},workdir=${elsewhere}` },
		{ type: 'overlay', device: 'overlay', o: `lowerdir+=${directory},lowerdir+=${elsewhere}` },
		{ type: 'overlay', device: 'overlay', o: `lowerdir=${directory.replace('birth', 'birth\\')}:${elsewhere}` },
		{ type: 'proc', device: 'proc' },
		{ type: 'devtmpfs', device: 'devtmpfs' },
		{ type: 'cgroup2', device: 'cgroup2' },
		{ type: 'ext4', device: '/dev/root' },
		{ type: 'none', o: 'bind', device: '/' },
	];
	for (const driverOptions of options) {
		const name = world.name('volume');
		await scene.refuses(t, json('POST /volumes/create', { Name: name, DriverOpts: driverOptions }));
		t.is((await scene.send(json(`GET /volumes/${name}`, ''))).status, 404, 'no volume was created');
		await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Name: 'local', Options: driverOptions } } }] } });
	}
});

abuse(27, 'the birthmark driver for the VOLUMEs of an image', refused('mount-illegal', 'engine-request-ambiguous'), async (t, scene) => {
	const { world } = scene;
	const image = `test/${world.name('volumes')}`;
	const built = await world.cli(['build', '--quiet', '--tag', image, '-'], `FROM ${IMAGE}\nVOLUME /x\n`);
	t.is(built.code, 0, built.stderr);
	t.teardown(() => world.cli(['rmi', '--force', image]));
	const [id = ''] = (await world.docker.listPlugins()).map((plugin) => (plugin as unknown as { Id: string }).Id);
	for (const VolumeDriver of [world.plugin, `${world.plugin}:latest`, `library/${world.plugin}`, `docker.io/library/${world.plugin}:latest`, id, id.slice(0, 8)]) {
		await scene.refusesCreate(t, { Image: image, HostConfig: { VolumeDriver } }, { code: 'mount-illegal' });
		await scene.refusesCreate(t, { Image: image, VolumeDriver }, { code: 'engine-request-ambiguous' });
	}
});

abuse(28, 'the birthmark driver called by hand', refused('mount-illegal', 'label-missing', 'identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const victim = await scene.sharedVictim(t);
	const name = world.name('volume');
	t.teardown(() => world.cli(['volume', 'rm', '--force', name]));
	await scene.refuses(t, json('POST /volumes/create', { Name: name, Driver: `docker.io/library/${world.plugin}`, DriverOpts: { o: 'bind', device: '/' } }), 'mount-illegal');
	// Made by name it is there and empty, and no container without an identity of its own may have it.
	t.is((await scene.send(json('POST /volumes/create', { Name: name, Driver: world.plugin }))).status, 201);
	await scene.refusesCreate(t, { HostConfig: { Binds: [`${name}:/x`] } }, { code: 'label-missing' });
	await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Name: world.plugin } } }] } }, { code: 'label-missing' });
	await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'volume', Source: 'birthmark-sentinel', Target: '/x' }] } }, { code: 'label-missing' });
	// The volume of the victim is made already: to make it again gives nothing.
	t.is((await scene.send(json('POST /volumes/create', { Name: victim.volume, Driver: world.plugin }))).status, 201);
	await scene.refusesCreate(t, { HostConfig: { Binds: [`${victim.volume}:/x`] } }, { code: 'identity-isolated' });
});
