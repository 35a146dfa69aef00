import test from 'ava';
import { createSelf, findPluginId, namesUs, type Self } from '../../../plugin/self.ts';
import { FakeEngine } from '../../fakes/plugin-engine.ts';

const ID = 'beef' + '0'.repeat(60);
const self: Self = { id: ID, name: 'birthmark:latest', protectedPaths: [], dataRoot: '/var/lib/docker', runPaths: [] };
const elsewhere: Self = { id: ID, name: 'registry.example:5000/team/birthmark:1.0', protectedPaths: [], dataRoot: '/var/lib/docker', runPaths: [] };

for (const name of ['birthmark', 'birthmark:latest', 'library/birthmark', 'docker.io/library/birthmark', 'docker.io/birthmark:latest', 'index.docker.io/library/birthmark', ID, 'bee', 'beef0']) {
	test(`the engine takes ${name} for us`, (t) => t.true(namesUs(self, name)));
}

for (const name of ['', 'local', 'birthmark:1.0', 'birthmark2', 'other/birthmark', 'example.com/birthmark', 'bad', 'BEEF']) {
	test(`the engine does not take ${name || 'the empty name'} for us`, (t) => t.false(namesUs(self, name)));
}

test('an alias with a registry and a tag is taken as it is', (t) => {
	t.true(namesUs(elsewhere, 'registry.example:5000/team/birthmark:1.0'));
	t.false(namesUs(elsewhere, 'registry.example:5000/team/birthmark'));
	t.false(namesUs(elsewhere, 'birthmark'));
});

test('an unmanaged plugin has the name of its socket', (t) => {
	const unmanaged: Self = { name: 'birthmark', protectedPaths: [], dataRoot: '/var/lib/docker', runPaths: [] };
	t.true(namesUs(unmanaged, 'birthmark'));
	t.false(namesUs(unmanaged, 'other'));
});

test('the id of the plugin stands in the mount of its data directory', (t) => {
	const line = (root: string, at: string) => `36 35 98:0 ${root} ${at} rw,relatime shared:1 - ext4 /dev/root rw`;
	const table = [line('/', '/'), line(`/lib/docker/plugins/${'f'.repeat(64)}/rootfs`, '/other'), line(`/lib/docker/plugins/${ID}/propagated-mount`, '/data')].join('\n');
	t.is(findPluginId(table, '/data'), ID);
	t.is(findPluginId(line('/home/data', '/data'), '/data'), undefined);
	t.is(findPluginId('', '/data'), undefined);
});

test('name and protected paths come from the engine, asked once', async (t) => {
	const engine = new FakeEngine();
	const install = { Id: ID, Name: 'bmk:latest', Settings: { Mounts: [{ Name: 'run', Source: '/srv/run' }] } };
	engine.installed.push({ Id: 'f'.repeat(64), Name: 'other:latest', Settings: {} }, install);
	const learn = createSelf({ engine, pluginId: ID, fallbackName: 'birthmark', unmanagedPaths: ['/data'], runMountName: 'run', engineSocket: 'docker.sock' });
	const expected = { id: ID, name: 'bmk:latest', protectedPaths: ['/var/lib/docker/plugins', '/srv/run/birthmark'], dataRoot: '/var/lib/docker', runPaths: ['/srv/run/docker.sock', '/srv/run'] };
	t.deepEqual(await learn(), expected);
	engine.installed.length = 0;
	t.deepEqual(await learn(), expected);
});

test('an engine that does not know us yet is asked again', async (t) => {
	const engine = new FakeEngine();
	const learn = createSelf({ engine, pluginId: ID, fallbackName: 'birthmark', unmanagedPaths: [], runMountName: 'run', engineSocket: 'docker.sock' });
	await t.throwsAsync(learn(), { code: 'engine-unavailable' });
	engine.installed.push({ Id: ID, Name: 'bmk:latest', Settings: { Mounts: null } });
	t.is((await learn()).name, 'bmk:latest');
});
