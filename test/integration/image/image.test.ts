/** What an image says of the container: labels, and the user by name, who owns the identity. */

import test, { type ExecutionContext } from 'ava';
import { AGENT, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const MOUNT = ['--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark'];
/** Uid and gid of the process, then owner and mode of its directory, then its limits. */
const LOOK = 'id -u; id -g; stat -c "%u %g %a" /run/birthmark; df -k /run/birthmark | tail -1 | awk "{print \\$2}"; df -i /run/birthmark | tail -1 | awk "{print \\$2}"';

/** An image on top of `test/busybox`, removed after the test. */
async function image(t: ExecutionContext, ...lines: readonly string[]): Promise<string> {
	const name = `test/${world.name('image')}`;
	const built = await world.cli(['build', '--quiet', '--tag', name, '-'], ['FROM test/busybox', ...lines, ''].join('\n'));
	t.is(built.code, 0, built.stderr);
	t.teardown(() => world.cli(['rmi', '--force', name]));
	return name;
}

const labels = (cn: string): string[] => ['--label', `birthmark.cn=${cn}`, '--label', 'birthmark.ou=web-api'];

/** Runs a container to its end. @returns the words that it wrote */
async function look(t: ExecutionContext, args: readonly string[], script = LOOK): Promise<string[]> {
	const ran = await world.cli(['run', '--rm', ...MOUNT, '--entrypoint', AGENT, ...args, 'exec', '--', 'sh', '-c', script]);
	t.is(ran.code, 0, ran.stderr);
	return ran.stdout.split(/\s+/).filter(Boolean);
}

test('labels of the image give a container its identity, and those of the container win', async (t) => {
	const [fromImage, own] = [world.name(), world.name()];
	const name = await image(t, `LABEL birthmark.cn=${fromImage} birthmark.ou=web-api birthmark.dns=${fromImage}.example.com`);
	for (const [cn, args] of [[fromImage, []], [own, ['--label', `birthmark.cn=${own}`, '--label', 'birthmark.dns=' + own + '.example.com']]] as const) {
		t.teardown(() => world.cli(['rm', '--force', '--volumes', cn]));
		const ran = await world.cli(['run', '--detach', '--name', cn, ...MOUNT, ...args, '--entrypoint', AGENT, name, 'exec', '--', 'sleep', '600']);
		t.is(ran.code, 0, ran.stderr);
		const identity = await eventually('the identity is live', () => world.identity(cn));
		t.deepEqual(identity.dnsNames, [`${cn}.example.com`]);
		t.is(identity.imageId, (await world.docker.getImage(name).inspect()).Id);
	}
});

test('labels of the image are judged like any: no mount, a misspelt one, one that is overridden by nothing', async (t) => {
	const name = await image(t, `LABEL birthmark.cn=${world.name()} birthmark.ou=web-api`);
	const misspelt = await image(t, 'LABEL birthmark.cnn=x');
	const created = world.name();
	t.teardown(() => world.cli(['rm', '--force', '--volumes', created]));
	for (const [args, code] of [[[name], 'mount-missing'], [[...MOUNT, '--label', 'birthmark.cn=', name], 'name-illegal'], [[...labels(created), ...MOUNT, misspelt], 'label-unknown']] as const) {
		const refused = await world.cli(['create', '--name', created, ...args]);
		t.not(refused.code, 0);
		t.regex(refused.stderr, new RegExp(`\\[${code}\\]`));
	}
	t.not((await world.cli(['container', 'inspect', created])).code, 0, 'nothing was created');
});

test('a user that the image knows by name owns the identity, wherever the image has its files', async (t) => {
	const name = await image(
		t,
		'RUN mkdir -p /etc /usr/share/users && echo "app:x:1234:1235::/:/bin/sh" > /usr/share/users/passwd && ln -s ../usr/share/users/passwd /etc/passwd && echo "staff:x:77:" > /etc/group',
		'VOLUME /data',
		'USER app',
	);
	const limits = ['1024', '128'];
	t.deepEqual(await look(t, [...labels(world.name()), name]), ['1234', '1235', '1234', '1235', '700', ...limits]);
	t.deepEqual(await look(t, [...labels(world.name()), '--user', 'app:staff', '--label', 'birthmark.mode=0750', name]), ['1234', '77', '1234', '77', '750', ...limits]);
	t.deepEqual(await look(t, [...labels(world.name()), '--user', '1234', name]), ['1234', '1235', '1234', '1235', '700', ...limits]);
	const more = ['--user', '5:6', '--group-add', '77', '--label', 'birthmark.gid=77', '--label', 'birthmark.mode=0750', '--label', 'birthmark.size=4m', '--label', 'birthmark.inodes=200'];
	t.deepEqual(await look(t, [...labels(world.name()), ...more, name]), ['5', '6', '5', '77', '750', '4096', '200']);
	const left = await world.docker.listContainers({ all: true, filters: { label: ['internal.birthmark.lookup'] } });
	t.deepEqual(left, []);
});

test('a user that the image does not know is refused before anything is created', async (t) => {
	const refused = await world.cli(['create', ...labels(world.name()), ...MOUNT, '--user', 'nobody', 'test/scratch']);
	t.not(refused.code, 0);
	t.regex(refused.stderr, /no user "nobody" in its \/etc\/passwd; run it with --user UID:GID.*\[label-missing\]/);
});
