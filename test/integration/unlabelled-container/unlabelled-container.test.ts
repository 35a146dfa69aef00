/** A container that asks for nothing of ours is none of our business. */

import test from 'ava';
import { openWorld } from '../../support/world.ts';

const world = openWorld();

test('an unlabelled container runs as it would without the plugin', async (t) => {
	const container = await world.plain(t, { Image: 'test/busybox', Cmd: ['sh', '-c', 'env; ls /'] });
	await container.start();
	await container.wait();
	const { Config, Mounts, State } = await container.inspect();
	t.is(State.ExitCode, 0);
	t.deepEqual(Mounts, []);
	t.deepEqual(Config.Labels, {});
	t.notRegex(await world.logs(container), /birthmark/i);
});

test('volumes of other drivers, exec, cp, commit, rename and removal work as ever', async (t) => {
	const name = world.name('plain');
	const volume = world.name('vol');
	t.teardown(() => world.cli(['volume', 'rm', '--force', volume]));
	t.teardown(() => world.cli(['image', 'rm', '--force', `${name}:copy`]));
	t.teardown(() => world.cli(['rm', '--force', name, `${name}b`]));
	const works = async (...args: string[]): Promise<string> => {
		const ran = await world.cli(args);
		t.is(ran.code, 0, `docker ${args.join(' ')}: ${ran.stderr}`);
		return ran.stdout;
	};
	await works('run', '--detach', '--name', name, '--volume', `${volume}:/data`, '--label', 'com.example.team=blue', 'test/busybox', 'sleep', '600');
	t.is(await works('exec', name, 'sh', '-c', 'echo hello > /data/file; cat /data/file'), 'hello\n');
	await works('cp', `${name}:/data/file`, '-');
	await works('commit', name, `${name}:copy`);
	await works('rename', name, `${name}b`);
	await works('rm', '--force', `${name}b`);
	t.is(await works('run', '--rm', '--volume', `${volume}:/data`, 'test/busybox', 'cat', '/data/file'), 'hello\n');
});
