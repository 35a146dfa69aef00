/** birthmark-runtime as the engine's default: nobody has to name it, tasks of a swarm have it, and nobody else notices. */

import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { RUNTIME_EXECUTABLE } from '../../../scripts/build-runtime.ts';
import { findRunc, RUNTIME } from '../../../scripts/engine-runtime.ts';
import { alive, allRevoked } from '../../support/by-label.ts';
import { ourRuntime, useRuntimes, usualRuntimes } from '../../support/runtimes.ts';
import { docker, leaveSwarm, makeSwarm } from '../../support/swarm.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const RECORDED = 'recorded';
const directory = join(world.state, 'recorded');

/** Writes down how it is called and what the bundle holds, and hands the call on. */
function recorder(name: string, next: string): string {
	const path = join(directory, name);
	const record = `case " $* " in *" create "*) printf '%s\\n' "$@" > ${path}.args; tr '\\0' '\\n' < /proc/$$/environ > ${path}.env; while [ "$1" != --bundle ]; do shift; done; cp "$2/config.json" ${path}.json;; esac`;
	writeFileSync(path, `#!/bin/sh\n( ${record} )\nexec ${next} "$@"\n`);
	chmodSync(path, 0o755);
	return path;
}

test.before('the runtime is the default, and there is one that writes down what passes through it', async () => {
	mkdirSync(directory);
	const program = join(directory, 'birthmark-runtime');
	copyFileSync(RUNTIME_EXECUTABLE, program);
	const settings = readFileSync(`${ourRuntime(world)}.conf`, 'utf8');
	writeFileSync(`${program}.conf`, settings.replace(/^runtime=.*$/m, `runtime=${recorder('after', findRunc())}`));
	const runtimes = { [RUNTIME]: { path: ourRuntime(world) }, [RECORDED]: { path: recorder('before', program) } };
	await useRuntimes(world, { runtimes, 'default-runtime': RUNTIME });
});

test.after.always('as it was: the first label after that is judged by it, and so is one from before whose runtime was left open', async (t) => {
	const name = world.name();
	const labels = { 'birthmark.cn': name, 'birthmark.ou': 'web-api' };
	// Whatever comes of it, the stories after this one find the engine as it was.
	const open = await world.docker.createContainer({ name, Image: 'test/busybox', Cmd: ['true'], Labels: labels }).catch(async (error: unknown) => {
		await useRuntimes(world, usualRuntimes(world));
		throw error;
	});
	// 20.10 leaves it open until the first start where the request has no HostConfig.
	const { Runtime = '' } = (await open.inspect()).HostConfig;
	await useRuntimes(world, usualRuntimes(world));
	const next = await world.docker.createContainer({ name: `${name}-next`, Image: 'test/busybox', Labels: labels }).then(({ id }) => id, (error: Error) => error.message);
	t.regex(next, /\[mount-missing\]/);
	t.is((await world.docker.listContainers({ all: true, filters: { name: [`${name}-next`] } })).length, 0, 'no container is left');
	t.regex(await open.start().then(() => 'started by it', (error: Error) => error.message), Runtime === RUNTIME ? /^started by it$/ : /would start without an identity.*\[mount-missing\]/);
	await open.remove({ force: true });
});

test('a label is enough', async (t) => {
	const name = world.name();
	const container = await world.plain(t, { Image: 'test/busybox', Cmd: ['sleep', '600'], Labels: { 'birthmark.cn': name, 'birthmark.ou': 'web-api' } });
	await container.start();
	await alive(world, name);
	await container.remove({ force: true });
	t.is((await allRevoked(world, name)).length, 1);
});

test('with --runtime runc a label is refused', async (t) => {
	const ran = await world.cli(['run', '--rm', '--runtime', 'runc', '--label', `birthmark.cn=${world.name()}`, '--label', 'birthmark.ou=web-api', 'test/busybox', 'true']);
	t.regex(ran.stderr, /\[mount-missing\]/);
});

test('a step of a build is no container that anybody authorized: with labels of ours it does not start', async (t) => {
	const image = `test/${world.name('image')}`;
	t.teardown(() => world.cli(['rmi', '--force', image]));
	const build = (dockerfile: string) => world.cli(['build', '--force-rm', '--tag', image, '-'], dockerfile);
	const label = `LABEL birthmark.cn=${world.name()} birthmark.ou=web-api`;
	const refused = await build(`FROM test/busybox\n${label}\nRUN echo ran > /step\n`);
	t.not(refused.code, 0);
	t.regex(refused.stdout + refused.stderr, /nobody authorized an identity for this container.*\[volume-unknown\]/);
	const built = await build(`FROM test/busybox\nRUN echo ran > /step\n${label}\n`);
	t.is(built.code, 0, built.stderr);
});

test('a container without a label goes through it with every byte as it was', async (t) => {
	const container = await world.plain(t, { Image: 'test/busybox', Cmd: ['echo', 'runs'], Env: ['A=<b>&c'], Labels: { 'com.example.team': 'birthmark.cn' }, HostConfig: { Runtime: RECORDED, Memory: 64 * 1024 * 1024 } });
	await container.start();
	await container.wait();
	t.is(await world.logs(container), 'runs\n');
	const recorded = (kind: string): string[] => ['before', 'after'].map((name) => readFileSync(join(directory, `${name}.${kind}`), 'utf8'));
	for (const kind of ['json', 'args']) {
		const [before, after] = recorded(kind);
		t.true(before!.length > 100);
		t.is(after, before, kind);
	}
	// The shell of the one that writes it down has variables and an order of its own.
	const [before, after] = recorded('env').map((text) => text.split('\n').filter((line) => !/^(?:PWD|OLDPWD|SHLVL|_)=/.test(line)).sort());
	t.deepEqual(after, before);
});

test('tasks of a service have their identities by labels alone', async (t) => {
	const name = world.name();
	t.teardown(() => leaveSwarm(world));
	await makeSwarm(world);
	const labels = ['--container-label', `birthmark.cn=${name}`, '--container-label', 'birthmark.ou=web-api'];
	const plain = ['--detach', '--no-resolve-image', '--endpoint-mode', 'dnsrr', '--restart-delay', '0s', '--stop-grace-period', '2s'];
	await docker(world, 'service', 'create', '--name', name, '--replicas', '2', ...plain, ...labels, 'test/busybox', 'sleep', '600');
	const lives = () => world.identities().then((identities) => identities.filter(({ commonName }) => commonName === name));
	const two = await eventually('two tasks have identities', async () => {
		const identities = await lives();
		return identities.length === 2 && identities;
	});
	t.is(new Set(two.map(({ containerId }) => containerId)).size, 2);
	const { Mounts } = await world.docker.getContainer(two[0]!.containerId!).inspect();
	t.deepEqual(Mounts, []);
	await world.docker.getContainer(two[0]!.containerId!).kill();
	await eventually('another task has taken its place', async () => {
		const identities = await lives();
		return identities.length === 2 && identities.every(({ serial }) => serial !== two[0]!.serial);
	});
	await docker(world, 'service', 'rm', name);
	await allRevoked(world, name);
});
