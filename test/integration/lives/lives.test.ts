/** Everything that the engine can do to a container in its life: what is a new start has a new identity, what is none keeps the old one. */

import test, { type ExecutionContext } from 'ava';
import type Docker from 'dockerode';
import { auditEvents } from '../../support/audit.ts';
import { addRules } from '../../support/policy.ts';
import { mountsOf } from '../../support/processes.ts';
import { DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };
const ROLE = 'web-api';

const volumeOf = async (container: Docker.Container): Promise<string> => (await container.inspect()).Mounts.find(({ Destination }) => Destination === DIRECTORY)!.Name!;
const live = (name: string) => eventually('the identity is live', () => world.identity(name));
const died = (serial: string) => eventually('it is revoked', async () => (await world.identities(true)).some((identity) => identity.serial === serial && identity.status === 'revoked'));

async function works(t: ExecutionContext, ...args: string[]): Promise<string> {
	const ran = await world.cli(args);
	t.is(ran.code, 0, `docker ${args.join(' ')}: ${ran.stderr}`);
	return ran.stdout;
}

test.serial('stop and start, and kill and start, give another identity; pause, unpause and rename do not', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: ROLE }, { ...SLEEP, name });
	let { serial } = await live(name);
	await container.pause();
	await container.unpause();
	await container.rename({ name: `${name}b` });
	t.is((await world.identity(name))?.serial, serial);
	for (const end of [() => container.stop({ t: 1 }), () => container.kill()]) {
		await end();
		await died(serial);
		t.is(await world.identity(name), undefined);
		await container.start();
		const next = await live(name);
		t.not(next.serial, serial);
		({ serial } = next);
	}
	await container.pause();
	await container.kill();
	await died(serial);
});

test.serial('a container that the kernel kills for its memory is born again by its restart policy', async (t) => {
	const name = world.name();
	const HostConfig = { Memory: 96 * 1024 * 1024, MemorySwap: 96 * 1024 * 1024, RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 1 } };
	const container = await world.start(t, { commonName: name, organizationalUnit: ROLE }, { Image: 'test/busybox', Entrypoint: ['sh', '-c'], Cmd: ['tail /dev/zero'], HostConfig });
	const state = await eventually('it died twice', async () => {
		const { State, RestartCount } = await container.inspect() as Docker.ContainerInspectInfo & { RestartCount: number };
		return RestartCount === 1 && !State.Running && !State.Restarting && State;
	});
	t.true(state.OOMKilled);
	const lives = (await world.identities(true)).filter(({ commonName }) => commonName === name);
	t.is(new Set(lives.map(({ serial }) => serial)).size, 2);
	for (const { serial } of lives) await died(serial);
	t.deepEqual(mountsOf(await volumeOf(container)), []);
});

test.serial('files are copied out of a container that runs, and of one that does not: no identity is disturbed, none is left', async (t) => {
	const name = world.name();
	addRules(t, world, `@id("copy-${name}") permit (principal, action == Action::"copy", resource) when { resource.cn == "${name}" };`);
	const container = await world.start(t, { commonName: name, organizationalUnit: ROLE }, { ...SLEEP, name });
	const { serial } = await live(name);
	const volume = await volumeOf(container);
	const mounts = mountsOf(volume).length;
	await Promise.all([1, 2, 3].map(() => works(t, 'cp', `${name}:/etc`, '-')));
	t.is((await world.identity(name))?.serial, serial);
	t.is(mountsOf(volume).length, mounts);
	t.is((await world.exec(container, ['cat', `${DIRECTORY}/tls.crt`])).code, 0);
	await container.stop({ t: 1 });
	await died(serial);
	t.deepEqual(mountsOf(volume), []);
	await works(t, 'cp', `${name}:/etc`, '-');
	t.is(await world.identity(name), undefined);
	t.deepEqual(mountsOf(volume), []);
	await container.start();
	t.not((await live(name)).serial, serial);
});

test.serial('prune takes what has ended, with its authorization, and nothing of what lives', async (t) => {
	const [alive, over] = [world.name(), world.name()];
	const running = await world.start(t, { commonName: alive, organizationalUnit: ROLE }, SLEEP);
	const ended = await world.start(t, { commonName: over, organizationalUnit: ROLE }, SLEEP);
	const { serial } = await live(alive);
	const { containerId } = await live(over);
	const volumes = [await volumeOf(running), await volumeOf(ended)];
	const events = await auditEvents(world, 100);
	await ended.stop({ t: 1 });
	await works(t, 'volume', 'prune', '--force');
	await works(t, 'system', 'prune', '--force', '--volumes');
	await eventually('the authorization ended', async () => {
		const log = await events();
		const subject = log.find(({ action, details }) => action === 'authorization.create' && details?.['containerId'] === containerId)?.subject;
		return log.some((event) => event.action === 'authorization.end' && event.subject === subject);
	});
	await eventually('its volume is gone', async () => !(await world.docker.listVolumes()).Volumes.some(({ Name }) => Name === volumes[1]));
	t.is((await world.identity(alive))?.serial, serial);
	t.is((await world.exec(running, ['cat', `${DIRECTORY}/tls.crt`])).code, 0);
	t.true(mountsOf(volumes[0]!).length > 0);
	await eventually('the plugin tells its state', () => world.status());
});

test.serial('a container of an image with a false token at the place of the identity sees nothing of it', async (t) => {
	const name = world.name('plain');
	t.teardown(() => world.cli(['image', 'rm', '--force', `${name}:1`]));
	t.teardown(() => world.cli(['rm', '--force', name]));
	await works(t, 'run', '--name', name, 'test/busybox', 'sh', '-c', `mkdir -p ${DIRECTORY} && echo false > ${DIRECTORY}/token`);
	await works(t, 'commit', name, `${name}:1`);
	const cn = world.name();
	const container = await world.start(t, { commonName: cn, organizationalUnit: ROLE }, { ...SLEEP, Image: `${name}:1` });
	await live(cn);
	t.not((await world.exec(container, ['cat', `${DIRECTORY}/token`])).stdout, 'false\n');
});
