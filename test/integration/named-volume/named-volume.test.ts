/** A volume made by name before its container, as Compose does it: one identity, one owner. */

import test, { type ExecutionContext } from 'ava';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const AGENT = '/run/birthmark/bin/birthmark-agent';

async function volume(t: ExecutionContext): Promise<string> {
	const name = world.name('project_identity_');
	const made = await world.cli(['volume', 'create', '--driver', 'birthmark', name]);
	t.is(made.code, 0, made.stderr);
	t.teardown(() => world.cli(['volume', 'rm', '--force', name]));
	return name;
}

const labelled = (container: string, cn: string, volumeName: string): string[] => ['--name', container, '--label', `birthmark.cn=${cn}`, '--label', 'birthmark.ou=web-api', '--volume', `${volumeName}:/run/birthmark`, '--entrypoint', AGENT, 'test/busybox', 'exec', '--', 'sleep', '600'];

async function works(t: ExecutionContext, ...args: string[]): Promise<void> {
	const ran = await world.cli(args);
	t.is(ran.code, 0, `docker ${args.join(' ')}: ${ran.stderr}`);
}

test('a container with a named volume of the driver is born with an identity, again after down and up', async (t) => {
	const [name, cn] = [await volume(t), world.name()];
	t.teardown(() => world.cli(['rm', '--force', cn]));
	await works(t, 'run', '--detach', ...labelled(cn, cn, name));
	const first = await eventually('the identity is live', () => world.identity(cn));
	await works(t, 'rm', '--force', cn);
	await works(t, 'volume', 'inspect', name);
	await eventually('the identity died', async () => (await world.identity(cn)) === undefined);
	await works(t, 'run', '--detach', ...labelled(cn, cn, name));
	const second = await eventually('another identity is live', () => world.identity(cn));
	t.not(second.serial, first.serial);
	t.not(second.authorizationId, first.authorizationId);
});

test('a container is made anew while the old one runs, as compose up does after a change', async (t) => {
	const [name, cn] = [await volume(t), world.name()];
	const [old, anew] = [`${cn}-old`, `${cn}-new`];
	t.teardown(() => world.cli(['rm', '--force', old, anew]));
	await works(t, 'run', '--detach', ...labelled(old, cn, name));
	const first = await eventually('the identity is live', () => world.identity(cn));
	await works(t, 'create', ...labelled(anew, cn, name));
	const early = await world.cli(['start', anew]);
	t.not(early.code, 0);
	t.regex(early.stderr, /remove it first.*\[identity-isolated\]/);
	t.is((await world.identity(cn))?.serial, first.serial, 'the old one is not disturbed');
	await works(t, 'stop', '--time', '1', old);
	await works(t, 'rm', old);
	await works(t, 'start', anew);
	const second = await eventually('the new one is live', () => world.identity(cn));
	t.is(second.containerName, anew);
	t.not(second.serial, first.serial);
});

test('a second container of another name does not get the volume', async (t) => {
	const [name, cn] = [await volume(t), world.name()];
	t.teardown(() => world.cli(['rm', '--force', cn, `${cn}-b`]));
	await works(t, 'run', '--detach', ...labelled(cn, cn, name));
	const refused = await world.cli(['create', ...labelled(`${cn}-b`, world.name(), name)]);
	t.not(refused.code, 0);
	t.regex(refused.stderr, /a volume of its own.*\[identity-isolated\]/);
	const unlabelled = await world.cli(['create', '--name', `${cn}-b`, '--volume', `${name}:/x`, 'test/busybox']);
	t.not(unlabelled.code, 0);
	t.regex(unlabelled.stderr, /\[identity-isolated\]/);
});

test('two containers with volumes of their own have identities of their own', async (t) => {
	const names = [world.name(), world.name()];
	for (const cn of names) {
		t.teardown(() => world.cli(['rm', '--force', cn]));
		await works(t, 'run', '--detach', ...labelled(cn, cn, await volume(t)));
	}
	const identities = await eventually('both are live', async () => {
		const found = (await world.identities()).filter(({ commonName }) => names.includes(commonName));
		return found.length === 2 && found;
	});
	t.is(new Set(identities.map(({ serial }) => serial)).size, 2);
});

test('containers of one name with a volume each, as a scaled service has them, have an identity each, also when one is made anew', async (t) => {
	const cn = world.name();
	const containers = [1, 2, 3].map((number) => `${cn}-api-${number}`);
	t.teardown(() => world.cli(['rm', '--force', '--volumes', ...containers]));
	const run = (name: string): Promise<void> => works(t, 'run', '--detach', '--name', name, '--label', `birthmark.cn=${cn}`, '--label', 'birthmark.ou=web-api', '--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark', '--entrypoint', AGENT, 'test/busybox', 'exec', '--', 'sleep', '600');
	const live = (count: number) => eventually(`${count} are live`, async () => {
		const identities = (await world.identities()).filter(({ commonName }) => commonName === cn);
		return identities.length === count && identities;
	});
	await Promise.all(containers.map(run));
	const three = await live(3);
	for (const field of ['serial', 'authorizationId', 'containerName'] as const) t.is(new Set(three.map((identity) => identity[field])).size, 3, field);
	await works(t, 'rm', '--force', '--volumes', containers[0]!);
	await live(2);
	await run(containers[0]!);
	const again = await live(3);
	const others = (identities: typeof again) => identities.filter(({ containerName }) => containerName !== containers[0]).map(({ serial }) => serial).sort();
	t.deepEqual(others(again), others(three), 'the other two are as they were');
	await works(t, 'rm', '--force', '--volumes', ...containers);
	await eventually('none is live', async () => (await world.identity(cn)) === undefined);
});

test('of two containers created for one volume at the same time, the one without a record never gets the identity of the other', async (t) => {
	const [name, cn, other] = [await volume(t), world.name(), world.name()];
	t.teardown(() => world.cli(['rm', '--force', cn, other]));
	const created = await Promise.all([cn, other].map((container) => world.cli(['create', ...labelled(container, container, name)])));
	if (created.every(({ code }) => code === 0)) return t.fail('one volume was given to two names');
	for (const container of [cn, other]) await world.cli(['start', container]);
	t.true((await world.identities()).filter(({ commonName }) => [cn, other].includes(commonName)).length <= 1);
	const running = (await world.docker.listContainers()).filter(({ Names }) => [cn, other].some((container) => Names.includes(`/${container}`)));
	t.true(running.length <= 1, 'nobody else runs with that volume');
});

test('creating another container with files at our place does not disturb the one that has the volume', async (t) => {
	const [name, cn] = [await volume(t), world.name()];
	const image = `test/${cn}`;
	t.teardown(() => world.cli(['rm', '--force', cn, `${cn}-b`]));
	const built = await world.cli(['build', '--quiet', '--tag', image, '-'], 'FROM test/busybox\nRUN mkdir -p /run/birthmark && echo x > /run/birthmark/file\n');
	t.is(built.code, 0, built.stderr);
	t.teardown(() => world.cli(['rmi', '--force', image]));
	await works(t, 'run', '--detach', ...labelled(cn, cn, name));
	const first = await eventually('the identity is live', () => world.identity(cn));
	await world.cli(['create', ...labelled(`${cn}-b`, cn, name).map((word) => (word === 'test/busybox' ? image : word))]);
	const renewed = await world.cli(['exec', cn, AGENT, 'renew']);
	t.is(renewed.code, 0, renewed.stderr);
	t.is((await world.identity(cn))?.authorizationId, first.authorizationId);
});
