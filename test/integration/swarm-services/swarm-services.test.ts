/**
 * Services of a real swarm of one node: tasks are made inside the engine, without a call that could be
 * judged, and have identities all the same.
 */

import test, { type ExecutionContext } from 'ava';
import type { Identity } from '#common/protocol/messages.ts';
import { docker as dockerOf, leaveSwarm, makeSwarm } from '../../support/swarm.ts';
import { AGENT, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SECONDS = 120;
const MOUNT = ['--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark'];
/** Without a registry, without a network of its own, and quick to replace a task. */
const PLAIN = ['--detach', '--no-resolve-image', '--endpoint-mode', 'dnsrr', '--restart-delay', '0s', '--stop-grace-period', '2s', '--update-monitor', '1s', '--rollback-monitor', '1s'];

const docker = (...args: readonly string[]): Promise<string> => dockerOf(world, ...args);

test.before('a swarm', () => makeSwarm(world));

test.after.always('no swarm', () => leaveSwarm(world));

const labels = (cn: string): string[] => ['--container-label', `birthmark.cn=${cn}`, '--container-label', 'birthmark.ou=web-api'];

/** Runs until it is told to stop. */
async function service(t: ExecutionContext, cn: string, options: readonly string[] = [], image = 'test/busybox'): Promise<void> {
	t.teardown(() => world.cli(['service', 'rm', cn]));
	await docker('service', 'create', '--name', cn, ...PLAIN, ...labels(cn), ...MOUNT, ...options, '--entrypoint', AGENT, image, 'exec', '--', 'sleep', '600');
}

const live = async (cn: string): Promise<Identity[]> => (await world.identities()).filter(({ commonName }) => commonName === cn);

function alive(cn: string, count: number, which: (identity: Identity) => boolean = () => true): Promise<Identity[]> {
	return eventually(`${count} tasks of ${cn} have identities, and no more`, async () => {
		const identities = await live(cn);
		return identities.length === count && identities.every(which) && identities;
	}, SECONDS);
}

/** What the engine says of the tasks that did not start. */
const errors = (name: string): Promise<string> => docker('service', 'ps', name, '--no-trunc', '--format', '{{.Error}}');

test('each task of a service has an identity of its own, as many as there are', async (t) => {
	const cn = world.name();
	await service(t, cn, ['--replicas', '2']);
	const two = await alive(cn, 2);
	for (const field of ['serial', 'authorizationId', 'containerId'] as const) t.is(new Set(two.map((identity) => identity[field])).size, 2, field);
	const tasks = (await docker('service', 'ps', cn, '--no-trunc', '--format', '{{.Name}}.{{.ID}}')).split('\n').sort();
	t.deepEqual(two.map(({ containerName }) => containerName).sort(), tasks);

	await docker('service', 'scale', '--detach', `${cn}=3`);
	const three = await alive(cn, 3);
	t.true(two.every(({ serial }) => three.some((identity) => identity.serial === serial)), 'the first two are as they were');
	await docker('service', 'scale', '--detach', `${cn}=1`);
	const [last] = await alive(cn, 1);
	t.true(three.some(({ serial }) => serial === last!.serial));

	await world.docker.getContainer(last!.containerId!).kill();
	await alive(cn, 1, ({ serial }) => serial !== last!.serial);
	await docker('service', 'rm', cn);
	await alive(cn, 0);
});

test('with birthmark.cn=auto each task has a name of its own: service and slot, also when it is made anew', async (t) => {
	const name = world.name();
	const rule = `${name}-?/${name}`;
	const allow = (verb: string) => world.birthmark(['node', verb, 'test-host', rule]);
	const create = () => world.cli(['service', 'create', '--name', name, ...PLAIN, '--container-label', 'birthmark.cn=auto', ...MOUNT, '--replicas', '3', '--entrypoint', AGENT, 'test/busybox', 'exec', '--', 'sleep', '600']);
	const refused = await create();
	t.not(refused.code, 0);
	t.regex(refused.stderr, new RegExp(`no rule allows the name "${name}-1" with role "${name}".*\\[name-not-allowed\\]`));
	t.is((await allow('allow')).code, 0);
	t.teardown(() => allow('disallow'));
	t.teardown(() => world.cli(['service', 'rm', name]));
	const created = await create();
	t.is(created.code, 0, created.stderr);
	const names = [1, 2, 3].map((slot) => `${name}-${slot}`);
	const tasks = (which: (identities: Identity[]) => boolean = () => true) => eventually('each of the three has its name', async () => {
		const identities = (await world.identities()).filter(({ organizationalUnit }) => organizationalUnit === name);
		return JSON.stringify(identities.map(({ commonName }) => commonName).sort()) === JSON.stringify(names) && which(identities) && identities;
	}, SECONDS);
	const second = (await tasks()).find(({ commonName }) => commonName === names[1])!;
	await world.docker.getContainer(second.containerId!).kill();
	await tasks((identities) => identities.every(({ serial }) => serial !== second.serial));
	const tooMany = await world.cli(['service', 'scale', '--detach', `${name}=12`]);
	t.regex(tooMany.stderr, new RegExp(`no rule allows the name "${name}-10"`), 'a scaled service is judged for the names that it will have');
	await docker('service', 'rm', name);
	await eventually('none is live', async () => !(await world.identities()).some(({ organizationalUnit }) => organizationalUnit === name), SECONDS);
});

test('updates, rollbacks and a drained node: old tasks lose their identities, new ones have what was authorized', async (t) => {
	const cn = world.name();
	await service(t, cn);
	const [first] = await alive(cn, 1);
	t.deepEqual(first!.dnsNames, []);
	await docker('service', 'update', '--detach', '--no-resolve-image', '--container-label-add', `birthmark.dns=${cn}.example.com`, cn);
	const [second] = await alive(cn, 1, ({ dnsNames }) => dnsNames.length === 1);
	t.not(second!.containerId, first!.containerId);
	await docker('service', 'rollback', '--detach', cn);
	const [third] = await alive(cn, 1, ({ dnsNames, serial }) => dnsNames.length === 0 && serial !== first!.serial);
	t.not(third!.authorizationId, first!.authorizationId);

	const node = await docker('info', '--format', '{{.Swarm.NodeID}}');
	await docker('node', 'update', '--availability', 'drain', node);
	await alive(cn, 0);
	await docker('node', 'update', '--availability', 'active', node);
	await alive(cn, 1);
});

test('another image under the same tag is taken up only when the service is updated', async (t) => {
	const [cn, image] = [world.name(), `test/${world.name('image')}`];
	const build = async (line: string): Promise<void> => {
		const built = await world.cli(['build', '--quiet', '--tag', image, '-'], `FROM test/busybox\n${line}\n`);
		t.is(built.code, 0, built.stderr);
	};
	await build('ENV version=1');
	t.teardown(() => world.cli(['rmi', '--force', image]));
	await service(t, cn, [], image);
	const [first] = await alive(cn, 1);
	await build('ENV version=2');
	await world.docker.getContainer(first!.containerId!).kill();
	await eventually('a task with the other image is refused', async () => /another image than the one that was authorized.*docker service update --force.*\[image-changed\]/.test(await errors(cn)), SECONDS);
	await alive(cn, 0);
	await docker('service', 'update', '--detach', '--no-resolve-image', '--force', cn);
	const [second] = await alive(cn, 1);
	t.not(second!.imageId, first!.imageId);
});

const NAME = world.name();
for (const [sentence, options, says] of [
	['of a name that this node may not have', [...labels('db01'), ...MOUNT], /\[name-not-allowed\]/],
	['with a volume that all its tasks would share', [...labels(NAME), '--mount', `type=volume,volume-driver=birthmark,src=${NAME},dst=/run/birthmark`], /a volume of its own.*\[mount-illegal\]/],
	['without the volume', labels(NAME), /\[mount-missing\]/],
	['without a name', MOUNT, /--container-label birthmark\.cn=NAME.*\[label-missing\]/],
	['whose labels are those of the service', ['--label', `birthmark.cn=${NAME}`, ...MOUNT], /use --container-label.*\[label-illegal\]/],
	['with something below its identity', [...labels(NAME), ...MOUNT, '--mount', 'type=tmpfs,dst=/run/birthmark/bin'], /nothing else.*\[mount-illegal\]/],
] as const) {
	test(`a service ${sentence} is refused`, async (t) => {
		const name = world.name('service');
		t.teardown(() => world.cli(['service', 'rm', name]));
		const created = await world.cli(['service', 'create', '--name', name, ...PLAIN, ...options, 'test/busybox', 'sleep', '600']);
		t.not(created.code, 0);
		t.regex(created.stderr, says);
		t.notRegex(await docker('service', 'ls', '--format', '{{.Name}}'), new RegExp(name));
	});
}

test('a service that asks for nothing is left alone', async (t) => {
	const name = world.name('service');
	t.teardown(() => world.cli(['service', 'rm', name]));
	await docker('service', 'create', '--name', name, ...PLAIN, '--mount', 'type=volume,dst=/data', 'test/busybox', 'sleep', '600');
	const state = await eventually('it runs', async () => /^Running/.exec(await docker('service', 'ps', name, '--format', '{{.CurrentState}}'))?.[0], SECONDS);
	t.is(state, 'Running');
});
