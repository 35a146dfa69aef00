/** The label alone: the runtime hands the identity over, without a mount and without another entry point. */

import { lstatSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type Docker from 'dockerode';
import { RUNTIME } from '../../../scripts/engine-runtime.ts';
import { alive, allRevoked, bornAgain, startByLabel } from '../../support/by-label.ts';
import { addRulesUntil } from '../../support/policy.ts';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const RESTARTS = 4;

const start = (t: ExecutionContext, name: string, options?: Docker.ContainerCreateOptions): Promise<Docker.Container> => startByLabel(world, t, name, options);

test('docker run with a label: the identity is in place before the application starts', async (t) => {
	const name = world.name();
	const script = `ls ${DIRECTORY}; cat ${DIRECTORY}/tls.crt | head -1; tr '\\0' ' ' < /proc/1/cmdline; echo; env | sort; touch ${DIRECTORY}/bin/x`;
	const ran = await world.cli(['run', '--rm', '--runtime', RUNTIME, '--label', `birthmark.cn=${name}`, '--label', 'birthmark.ou=web-api', '--env', 'A=b', '--env', 'LD_PRELOAD=/nowhere.so', 'test/busybox', 'sh', '-c', script]);
	t.is(ran.code, 1, 'the agent\'s directory cannot be written');
	for (const file of ['agent.json', 'ca.crt', 'crl.pem', 'identity.pem', 'tls.crt', 'tls.key']) t.regex(ran.stdout, new RegExp(`^${file}$`, 'm'));
	t.notRegex(ran.stdout, /^token$/m);
	t.regex(ran.stdout, /^-----BEGIN CERTIFICATE-----$/m);
	t.true(ran.stdout.includes(`${AGENT} exec -- sh -c`));
	const variables = ran.stdout.split('\n').flatMap((line) => /^([A-Z_a-z]+)=/.exec(line)?.[1] ?? []);
	t.deepEqual(variables.filter((variable) => variable !== 'SHLVL').sort(), ['A', 'HOME', 'HOSTNAME', 'LD_PRELOAD', 'PATH', 'PWD']);
	t.regex(ran.stderr, /Read-only file system/);
	t.notRegex(ran.stderr, /nowhere/, 'the agent\'s loader does not read what is the application\'s');
	await allRevoked(world, name);
});

test('its own files and its exit code are as they would be without', async (t) => {
	const name = world.name();
	const container = await start(t, name, { Cmd: ['sh', '-c', 'id -u; pwd; exit 7'], User: '65534', WorkingDir: '/tmp', HostConfig: { ReadonlyRootfs: true, Init: true, CapDrop: ['ALL'], NetworkMode: 'none' } });
	t.is((await container.wait() as { StatusCode: number }).StatusCode, 7);
	// What the agent has to say goes to the other stream.
	t.is((await world.cli(['logs', name])).stdout, '65534\n/tmp\n');
	const { Mounts, Config, Path } = await container.inspect();
	t.deepEqual(Mounts, []);
	t.is(Path, 'sh');
	t.deepEqual(Config.Cmd, ['sh', '-c', 'id -u; pwd; exit 7']);
});

test('docker exec sees the identity where the policy permits it; stop ends it', async (t) => {
	const name = world.name();
	const container = await start(t, name);
	t.is((await alive(world, name)).node, 'test-host');
	t.is((await world.exec(container, [AGENT, 'status'])).code, 0);
	t.is((await world.exec(container, ['sh', '-c', `stat -f -c %T ${DIRECTORY}`])).stdout, 'tmpfs\n');
	await container.stop({ t: 1 });
	await allRevoked(world, name);
	await container.start();
	await alive(world, name);
});

test('each restart by restart policy and docker restart has its own identity', async (t) => {
	const name = world.name();
	const container = await start(t, name, { Cmd: ['sh', '-c', 'exit 3'], HostConfig: { Runtime: RUNTIME, RestartPolicy: { Name: 'on-failure', MaximumRetryCount: RESTARTS } } });
	await eventually('it has used up its restarts', async () => {
		const { State, RestartCount } = await container.inspect() as { State: { Running: boolean; Restarting: boolean }; RestartCount: number };
		return RestartCount === RESTARTS && !State.Running && !State.Restarting;
	});
	const lives = await allRevoked(world, name);
	t.is(new Set(lives.map(({ serial }) => serial)).size, RESTARTS + 1);
	t.is(new Set(lives.map(({ authorizationId }) => authorizationId)).size, 1);

	const other = world.name();
	const second = await start(t, other);
	const first = await alive(world, other);
	await second.restart({ t: 1 });
	await bornAgain(world, other, first);
});

test('with birthmark.agent=none there is a token and no agent in front', async (t) => {
	const name = world.name();
	const container = await start(t, name, { Labels: { 'birthmark.agent': 'none' } });
	t.is((await world.exec(container, ['cat', '/proc/1/comm'])).stdout, 'sleep\n');
	t.is((await world.exec(container, ['test', '-f', `${DIRECTORY}/token`])).code, 0);
	t.is((await world.exec(container, [AGENT, 'once'])).code, 0);
	await alive(world, name);
});

test('a container that mounts its volume gets the agent in front where its label says so', async (t) => {
	const name = world.name();
	const mount = { Type: 'volume', Target: DIRECTORY, Source: '', VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: 'birthmark', Options: {} } } } as const;
	const container = await start(t, name, { Labels: { 'birthmark.agent': 'exec' }, HostConfig: { Runtime: RUNTIME, Mounts: [mount] } });
	t.is((await container.inspect()).Mounts.length, 1);
	await alive(world, name);
	await container.remove({ force: true, v: true });
	await allRevoked(world, name);
	const refused = await world.cli(['create', '--label', `birthmark.cn=${name}`, '--label', 'birthmark.agent=exec', '--mount', `type=volume,volume-driver=birthmark,dst=${DIRECTORY}`, 'test/busybox']);
	t.regex(refused.stderr, /--runtime birthmark.*\[label-illegal\]/);
});

test('with another runtime the label alone is refused, and says what to do', async (t) => {
	const name = world.name();
	for (const runtime of [[], ['--runtime', 'runc']]) {
		const ran = await world.cli(['run', '--rm', ...runtime, '--label', `birthmark.cn=${name}`, '--label', 'birthmark.ou=web-api', 'test/busybox', 'true']);
		t.not(ran.code, 0);
		t.regex(ran.stderr, /--mount type=volume.*or use --runtime birthmark.*\[mount-missing\]/);
	}
	t.is(await world.identity(name), undefined);
});

test('what the CA or the policy does not permit is not created', async (t) => {
	const name = world.name('other');
	const ran = await world.cli(['run', '--rm', '--runtime', RUNTIME, '--label', `birthmark.cn=${name}`, '--label', 'birthmark.ou=web-api', 'test/busybox', 'true']);
	t.regex(ran.stderr, /\[name-not-allowed\]/);
	const withdraw = addRulesUntil(world, `@id("not-${name}") forbid (principal, action == Action::"run", resource) when { resource.cn == "api-${name}" };`);
	t.teardown(withdraw);
	const refused = await world.cli(['run', '--rm', '--runtime', RUNTIME, '--label', `birthmark.cn=api-${name}`, '--label', 'birthmark.ou=web-api', 'test/busybox', 'true']);
	t.regex(refused.stderr, /\[policy-refused\]/);
});

test('containers of images with labels are labelled, also of one that is called by its id and has a user whom only it knows', async (t) => {
	const name = world.name();
	const dockerfile = `FROM test/busybox\nRUN mkdir -p /etc && echo "app:x:1234:1235::/:/bin/sh" > /etc/passwd\nLABEL birthmark.cn=${name} birthmark.ou=web-api\nUSER app\n`;
	const built = await world.cli(['build', '--quiet', '--tag', `${name}:labels`, '-'], dockerfile);
	t.is(built.code, 0, built.stderr);
	t.teardown(() => world.cli(['image', 'rm', '--force', `${name}:labels`]));
	const id = built.stdout.trim();
	t.regex(id, /^sha256:[0-9a-f]{64}$/);
	const container = await world.plain(t, { Image: id, Cmd: ['sleep', '600'], HostConfig: { Runtime: RUNTIME } });
	await container.start();
	t.is((await alive(world, name)).imageId, id);
});

test('nothing of the identity is left on the host when the container is gone', async (t) => {
	const name = world.name();
	const container = await start(t, name);
	const { Id } = await container.inspect();
	await alive(world, name);
	const places = [`${world.paths.run}/birthmark`, `${world.paths.data}/plugins`];
	await container.remove({ force: true });
	await allRevoked(world, name);
	for (const place of places) t.notThrows(() => lstatSync(place));
	const mounts = await world.cli(['volume', 'ls', '--quiet']);
	t.false(mounts.stdout.includes(Id));
});
