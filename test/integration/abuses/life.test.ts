/** Abuses 37, 45–49, 56: names, volumes, tokens and traces in the life of a container. */

import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { abuse, harmless, json, limit, message, refused } from '../../support/abuse.ts';
import { backIntoChain } from '../../support/chain.ts';
import { AGENT, DIRECTORY, eventually } from '../../support/world.ts';
import { reloadEngine, writeDaemonJson } from '../../../scripts/private-engine.ts';
import { until } from '../../../scripts/set-up.ts';

abuse(37, 'keys on the tmpfs are written to the swap', limit('Swap'), async (t, scene) => {
	const { directory } = await scene.victim(t);
	const mount = readFileSync('/proc/mounts', 'utf8').split('\n').find((line) => line.split(' ')[1] === directory) ?? '';
	t.regex(mount, / tmpfs /);
	const [major = 0, minor = 0] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number);
	if (major < 6 || (major === 6 && minor < 4)) return;
	t.regex(mount, /[ ,]noswap[ ,]/);
	return harmless();
});

abuse(45, 'another container takes the name of the victim', harmless(), async (t, scene) => {
	const { world } = scene;
	const { container, id, name } = await scene.victim(t);
	await container.rename({ name: `${name}-old` });
	const impostor = await world.plain(t, { name, Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	await impostor.start();
	t.is((await world.exec(impostor, ['ls', DIRECTORY])).code, 1, 'the name alone is nothing');
	for (const reference of [`${name}-old`, id]) await refusesExec(reference);
	t.is((await world.identity(name))?.containerId, id);

	async function refusesExec(reference: string): Promise<void> {
		const { status, body } = await scene.send(json(`POST /containers/${reference}/exec`, { Cmd: ['id'] }));
		t.is(status, 403);
		t.regex(body, /\[identity-isolated\]/);
	}
});

abuse(45, 'a name is judged as another container\'s, and then given to the victim', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const { container, id, name } = await scene.victim(t);
	const decoy = await world.plain(t, { name: `${name}-decoy`, Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	const copy = message(`HEAD /containers/${name}-decoy/archive?path=/bin`);
	t.is((await scene.send(copy)).status, 200, 'it may be copied from');
	await decoy.rename({ name: `${name}-other` });
	t.is((await scene.send(copy)).status, 404);
	const renamed = container.rename({ name: `${name}-decoy` });
	// Refused from the moment in which the rename was judged, though it waits.
	await eventually('the name counts as the victim\'s', async () => (await scene.send(copy)).status === 403 || undefined);
	await renamed;
	await scene.refuses(t, message(`GET /containers/${name}-decoy/archive?path=${DIRECTORY}`));
	t.is((await container.inspect()).Name, `/${name}-decoy`);
	const impostor = await world.plain(t, { name: id.slice(0, 12), Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	await scene.refuses(t, message(`GET /containers/${id.slice(0, 12)}/archive?path=${DIRECTORY}`));
	t.is((await scene.send(message(`HEAD /containers/${impostor.id}/archive?path=/bin`))).status, 200);
});

abuse(46, 'a container is created while the plugin is not asked', refused('volume-unknown'), async (t, scene) => {
	const { world } = scene;
	const name = world.name('web');
	t.teardown(() => world.docker.getContainer(name).remove({ force: true, v: true }));
	try {
		writeDaemonJson(world.paths, []);
		reloadEngine(world.paths);
		await until(async () => (await world.status())?.inChain === false, 120, 'the engine does not take the plugin out of its chain', '');
		const mount = { Type: 'volume', Target: DIRECTORY, VolumeOptions: { NoCopy: true, DriverConfig: { Name: world.plugin } } };
		const created = await scene.send(json(`POST /containers/create?name=${name}`, { Image: 'test/busybox', Entrypoint: [AGENT], Cmd: ['exec', '--', 'true'], Labels: { 'birthmark.cn': name, 'birthmark.ou': 'web' }, HostConfig: { Mounts: [mount] } }));
		t.is(created.status, 201, created.body);
		const early = await scene.send(message(`POST /containers/${name}/start`, ['Content-Length: 0']));
		t.regex(early.body, /\[enforcement-missing\]/);
	} finally {
		await backIntoChain(world);
	}
	const started = await scene.send(message(`POST /containers/${name}/start`, ['Content-Length: 0']));
	t.not(started.status, 204);
	t.regex(started.body, /\[volume-unknown\]/);
	t.is(await world.identity(name), undefined);
});

abuse(47, 'a second container of another name is created on the volume', refused('identity-isolated'), async (t, scene) => {
	const { volume } = await scene.victim(t);
	const other = { 'birthmark.cn': scene.world.name('web'), 'birthmark.ou': 'web' };
	await scene.refusesCreate(t, { Labels: other, HostConfig: { Mounts: [{ Type: 'volume', Source: volume, Target: DIRECTORY }] } });
	await scene.refusesCreate(t, { Labels: other, HostConfig: { Binds: [`${volume}:${DIRECTORY}`] } });
});

abuse(48, 'volumes are pruned and removed under a container', harmless(), async (t, scene) => {
	const { world } = scene;
	const { container, name, volume } = await scene.victim(t);
	await container.stop({ t: 0 });
	for (const filters of ['{}', '{"all":["1"]}']) await scene.send(message(`POST /volumes/prune?filters=${encodeURIComponent(filters)}`, ['Content-Length: 0']));
	t.is((await scene.send(message(`DELETE /volumes/${volume}?force=1`))).status, 409, 'it is in use, running or not');
	await container.start();
	t.truthy(await eventually('it has an identity again', () => world.identity(name)));
	t.true((await world.status())?.inChain, 'the sentinel is there');
	await container.remove({ force: true });
	await eventually('with the container its volume goes', async () => (await scene.send(message(`GET /volumes/${volume}`))).status === 404);
});

abuse(49, 'the token of a start is used a second time', refused('token-used'), async (t, scene) => {
	const { world } = scene;
	const sleep = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };
	const [one, other] = [world.name(), world.name()];
	const container = await world.startWithoutAgent(t, { commonName: one, organizationalUnit: 'web-api' }, sleep);
	const token = (await world.exec(container, ['cat', `${DIRECTORY}/token`])).stdout.trim();
	t.is((await world.exec(container, [AGENT, 'once'])).code, 0);
	const thief = await world.startWithoutAgent(t, { commonName: other, organizationalUnit: 'web-api' }, sleep);
	await world.exec(thief, ['sh', '-c', `echo '${token}' > ${DIRECTORY}/stolen`]);
	const replayed = await world.exec(thief, [AGENT, 'once', '--token-file', `${DIRECTORY}/stolen`]);
	t.regex(replayed.stderr, /\[token-used\]/);
	t.is((await world.identities()).filter(({ commonName }) => commonName === one).length, 1);
});

abuse(56, 'secrets are read from what the engine shows', harmless(), async (t, scene) => {
	const { world } = scene;
	const events = (await world.docker.getEvents()) as Readable;
	t.teardown(() => { events.destroy(); });
	let told = '';
	events.setEncoding('utf8').on('data', (chunk: string) => { told += chunk; });
	const victim = await scene.victim(t);
	await eventually('the engine told of its start', async () => told.includes(victim.id) && told.includes('"Action":"mount"'));
	const secrets = scene.secrets(victim).map((text) => /KEY-----\n([^\n]+)/.exec(text)?.[1] ?? text.slice(0, 60));
	t.true(secrets.length > 0);
	const shown = [`/containers/${victim.id}/json`, `/containers/${victim.id}/logs?stdout=1&stderr=1`, `/containers/${victim.id}/top`, `/containers/${victim.id}/changes`, '/containers/json?all=1', `/volumes/${victim.volume}`, '/volumes', '/info', '/plugins'];
	for (const address of shown) {
		const { status, body } = await scene.send(message(`GET ${address}`));
		t.is(status, 200, address);
		for (const secret of secrets) t.false(body.includes(secret), address);
	}
	for (const secret of secrets) t.false(told.includes(secret), 'events');
	t.notRegex(told, /BMK(?:TKN|JOIN)-1-[0-9a-z]{50}-/);
});
