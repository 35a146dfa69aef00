/** What the catalogue of abuses tries with volumes, tried with a container whose identity no volume carries. */

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RUNTIME } from '../../../scripts/engine-runtime.ts';
import { byLabel, startByLabel } from '../../support/by-label.ts';
import { ourRuntime } from '../../support/runtimes.ts';
import { exchangeRaw, json, message } from '../../support/raw-http.ts';
import { DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const OWN = { 'birthmark.cn': 'web9', 'birthmark.ou': 'web' };

interface Victim {
	readonly id: string;
	readonly name: string;
	readonly serial: string;
	/** its tmpfs, as the host and as the engine see it */
	readonly places: readonly string[];
}

let victim: Victim;
const clean: (() => Promise<unknown>)[] = [];

test.before('a victim of a role that nobody is permitted anything of', async () => {
	const name = world.name('web');
	const t = { teardown: (work: () => Promise<unknown>) => clean.push(work) } as unknown as ExecutionContext;
	const container = await startByLabel(world, t, name, { Labels: { 'birthmark.ou': 'web' } });
	const { serial } = await eventually('the victim has its identity', () => world.identity(name));
	const plugins = join(world.paths.data, 'plugins');
	const plugin = readdirSync(plugins).find((id) => existsSync(join(plugins, id, 'propagated-mount/volumes', container.id)))!;
	const places = [join(world.paths.run, 'birthmark', plugin.slice(0, 12), container.id), join(plugins, plugin, 'propagated-mount/volumes', container.id)];
	victim = { id: container.id, name, serial, places };
});

test.after.always(async (t) => {
	const now = await world.identity(victim.name);
	for (const work of clean) await work();
	t.is(now?.serial, victim.serial, 'the victim is as it was');
});

/** Sends a create; fails unless it is refused with this code. */
async function refusesCreate(t: ExecutionContext, body: object, code: string): Promise<void> {
	const name = world.name('attacker');
	t.teardown(() => world.docker.getContainer(name).remove({ force: true, v: true }).catch(() => {}));
	const answer = await exchangeRaw(world.paths.socket, json(`POST /containers/create?name=${name}`, { Image: 'test/busybox', Cmd: ['true'], ...body }));
	t.is(answer.status, 403, answer.body);
	t.true(answer.body.includes(`[${code}]`), answer.body);
}

async function refuses(t: ExecutionContext, line: string, body: object | undefined, code: string): Promise<void> {
	const answer = await exchangeRaw(world.paths.socket, body === undefined ? message(line) : json(line, body));
	t.is(answer.status, 403, `${line}: ${answer.body}`);
	t.true(answer.body.includes(`[${code}]`), answer.body);
}

test('its tmpfs is where it should be, and belongs to nobody else', (t) => {
	for (const place of victim.places) t.true(existsSync(join(place, 'identity.pem')), place);
});

test('nobody takes its volumes or binds its directory', async (t) => {
	await refusesCreate(t, { HostConfig: { VolumesFrom: [victim.name] } }, 'identity-isolated');
	await refusesCreate(t, { Labels: OWN, HostConfig: { Runtime: RUNTIME, VolumesFrom: [victim.id.slice(0, 12)] } }, 'identity-isolated');
	for (const place of victim.places) await refusesCreate(t, { HostConfig: { Binds: [`${place}:/x:ro`] } }, 'identity-isolated');
});

test('nobody enters, copies, exports, commits or freezes it', async (t) => {
	await refuses(t, `POST /containers/${victim.id}/exec`, { Cmd: ['cat', `${DIRECTORY}/tls.key`] }, 'identity-isolated');
	for (const path of [DIRECTORY, '/']) await refuses(t, `GET /containers/${victim.name}/archive?path=${path}`, undefined, 'identity-isolated');
	await refuses(t, `GET /containers/${victim.id}/export`, undefined, 'identity-isolated');
	await refuses(t, `POST /commit?container=${victim.id}`, undefined, 'identity-isolated');
	await refuses(t, `POST /containers/${victim.id}/checkpoints`, { CheckpointID: 'x' }, 'identity-isolated');
});

test('nobody joins its namespaces', async (t) => {
	for (const mode of ['PidMode', 'IpcMode', 'NetworkMode']) await refusesCreate(t, { HostConfig: { [mode]: `container:${victim.name}` } }, 'identity-isolated');
});

test('a volume called like it gives nobody anything, and takes nothing away', async (t) => {
	t.teardown(() => world.cli(['volume', 'rm', '--force', victim.id]));
	const made = await world.cli(['volume', 'create', '--driver', world.plugin, victim.id]);
	t.not(made.code, 0);
	t.regex(made.stderr, /\[mount-illegal\]/);
	const mount = { Type: 'volume', Source: victim.id, Target: DIRECTORY, VolumeOptions: { NoCopy: true, DriverConfig: { Name: world.plugin } } };
	const name = world.name('web');
	const answer = await exchangeRaw(world.paths.socket, json(`POST /containers/create?name=${name}`, { Image: 'test/busybox', Labels: { ...OWN, 'birthmark.cn': name }, HostConfig: { Mounts: [mount] } }));
	t.teardown(() => world.docker.getContainer(name).remove({ force: true, v: true }).catch(() => {}));
	t.not(answer.status, 201, answer.body);
	await world.cli(['volume', 'rm', victim.id]);
	t.is((await world.identity(victim.name))?.serial, victim.serial);
});

test('nothing else is mounted where the identity goes, whoever brings it', async (t) => {
	const ofImage = { Type: 'image', Source: 'test/busybox', Target: `${DIRECTORY}/bin` };
	for (const host of [{ Tmpfs: { [DIRECTORY]: '' } }, { Binds: ['somewhere:/run/birthmark/bin'] }, { Mounts: [{ Type: 'tmpfs', Target: '/run/x/../birthmark/' }] }, { Mounts: [ofImage] }]) {
		await refusesCreate(t, { Labels: OWN, HostConfig: { Runtime: RUNTIME, ...host } }, 'mount-illegal');
	}
	await refusesCreate(t, { Labels: OWN, Volumes: { [`${DIRECTORY}/bin`]: {} }, HostConfig: { Runtime: RUNTIME } }, 'mount-illegal');
	const shared = { Type: 'bind', Source: '/tmp', Target: '/x', BindOptions: { Propagation: 'rshared' } };
	await refusesCreate(t, { Labels: OWN, HostConfig: { Runtime: RUNTIME, Mounts: [shared] } }, 'mount-illegal');

	// The request does not show what an image brings; the container that was made of it has no identity, and does not start.
	const image = `${world.name()}:volume`;
	const built = await world.cli(['build', '--quiet', '--tag', image, '-'], `FROM test/busybox\nVOLUME ${DIRECTORY}\n`);
	t.is(built.code, 0, built.stderr);
	t.teardown(() => world.cli(['image', 'rm', '--force', image]));
	const name = world.name('web');
	t.teardown(() => world.cli(['rm', '--force', '--volumes', name]));
	const options = byLabel(name, { Image: image, Labels: { 'birthmark.ou': 'web' } });
	const created = await exchangeRaw(world.paths.socket, json(`POST /containers/create?name=${name}`, options));
	t.true(created.body.includes('[mount-illegal]'), created.body);
	const started = await exchangeRaw(world.paths.socket, message(`POST /containers/${name}/start`, ['Content-Length: 0']));
	t.not(started.status, 204);
	t.regex(started.body, /\[volume-unknown\]/);
});

test('a mount that lies on the place by way of a link lies below the identity', async (t) => {
	const image = `${world.name()}:link`;
	const built = await world.cli(['build', '--quiet', '--tag', image, '-'], 'FROM test/busybox\nRUN ["/bin/sh", "-c", "mkdir -p /run /var && ln -s /run /var/run"]\n');
	t.is(built.code, 0, built.stderr);
	t.teardown(() => world.cli(['image', 'rm', '--force', image]));
	const name = world.name();
	const container = await startByLabel(world, t, name, { Image: image, HostConfig: { Runtime: RUNTIME, Tmpfs: { '/var/run/birthmark': '' } } });
	await eventually('the identity is live', () => world.identity(name));
	t.regex((await world.exec(container, ['ls', '/var/run/birthmark'])).stdout, /^identity\.pem$/m);
});

test('privileged containers get no identity this way either', async (t) => {
	for (const host of [{ Privileged: true }, { CapAdd: ['SYS_ADMIN'] }]) await refusesCreate(t, { Labels: OWN, HostConfig: { Runtime: RUNTIME, ...host } }, 'container-too-powerful');
});

test('what the engine runs in front of its runtime is written by nobody, wherever it lies; the same file is read by anybody', async (t) => {
	const program = ourRuntime(world);
	for (const path of [program, `${program}.conf`, dirname(program)]) {
		const refused = await world.cli(['create', '--volume', `${path}:/x`, 'test/busybox', 'true']);
		t.regex(refused.stderr, /with host-programs it could reach.*\[identity-isolated\]/, path);
	}
	await world.plain(t, { Image: 'test/busybox', Cmd: ['true'], HostConfig: { Binds: [`${program}:/x:ro`] } });
});

test('a runtime is named where the engine reads it, once', async (t) => {
	await refusesCreate(t, { Labels: OWN, Runtime: RUNTIME }, 'engine-request-ambiguous');
	await refusesCreate(t, { Labels: OWN, HostConfig: { Runtime: RUNTIME, runtime: 'runc' } }, 'engine-request-ambiguous');
	await refusesCreate(t, { Labels: OWN, hostconfig: { runtime: 'runc' } }, 'mount-missing');
	// Newer engines take these as well, without a line in daemon.json.
	for (const runtime of ['none-such', 'io.containerd.runc.v2', 'io.containerd.birthmark.v2']) await refusesCreate(t, { Labels: OWN, HostConfig: { Runtime: runtime } }, 'mount-missing');
});

test('an update or another name leaves its runtime and its identity as they are', async (t) => {
	const name = world.name('web');
	const container = await startByLabel(world, t, name, { Labels: { 'birthmark.ou': 'web' } });
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	const other = world.name('web');
	t.is((await world.cli(['update', '--memory', '64m', '--memory-swap', '64m', name])).code, 0);
	await exchangeRaw(world.paths.socket, json(`POST /containers/${name}/update`, { Runtime: 'runc' }));
	await container.rename({ name: other });
	t.is((await world.identity(name))?.serial, serial);
	await container.restart({ t: 1 });
	const again = await eventually('it was born again', async () => {
		const identity = await world.identity(name);
		return identity !== undefined && identity.serial !== serial && identity;
	});
	t.is(again.containerName, other);
	t.is((await container.inspect()).HostConfig.Runtime, RUNTIME);
});

test('the id of a running container starts nothing twice', async (t) => {
	const ran = await exchangeRaw(world.paths.socket, message(`POST /containers/${victim.id}/start`, ['Content-Length: 0']));
	t.is(ran.status, 304);
});
