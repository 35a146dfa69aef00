/** What can be wrong in the container: each ends with a stable code, and leaves things as they were. */

import test from 'ava';
import { auditEvents } from '../../support/audit.ts';
import { mountsOf } from '../../support/processes.ts';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };

test('a directory that is no tmpfs is refused before any key is made', async (t) => {
	const container = await world.startWithoutAgent(t, { commonName: world.name(), organizationalUnit: 'web-api' }, SLEEP);
	await world.exec(container, ['sh', '-c', `mkdir /disk && cp ${DIRECTORY}/token /disk/token`]);
	const ran = await world.exec(container, [AGENT, 'once', '--dir', '/disk', '--ca-url', world.caUrl]);
	t.is(ran.code, 78);
	t.regex(ran.stderr, /\[directory-not-tmpfs\]/);
	t.is((await world.exec(container, ['ls', '/disk'])).stdout, 'token\n', 'nothing was written');
	t.is((await world.exec(container, [AGENT, 'once'])).code, 0);
});

test('a full tmpfs leaves the identity that was there readable', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	await eventually('the identity is live', () => world.identity(name));
	const before = (await world.exec(container, ['cat', `${DIRECTORY}/identity.pem`])).stdout;
	await world.exec(container, ['sh', '-c', `dd if=/dev/zero of=${DIRECTORY}/ballast bs=4096; true`]);
	const full = await world.exec(container, [AGENT, 'renew']);
	t.is(full.code, 78);
	t.regex(full.stderr, /\[directory-full\]/);
	t.is((await world.exec(container, ['cat', `${DIRECTORY}/identity.pem`])).stdout, before);
	await world.exec(container, ['rm', `${DIRECTORY}/ballast`]);
	t.is((await world.exec(container, [AGENT, 'renew'])).code, 0);
});

test('without a token the agent says what is missing and does not start the application', async (t) => {
	const container = await world.startWithoutAgent(t, { commonName: world.name(), organizationalUnit: 'web-api' }, SLEEP);
	await world.exec(container, ['rm', `${DIRECTORY}/token`]);
	const ran = await world.exec(container, [AGENT, 'exec', '--', 'echo', 'started']);
	t.is(ran.code, 78);
	t.is(ran.stdout, '');
	t.regex(ran.stderr, /\[token-missing\]/);
});

test('a garbled token is refused without being repeated', async (t) => {
	const container = await world.startWithoutAgent(t, { commonName: world.name(), organizationalUnit: 'web-api' }, SLEEP);
	await world.exec(container, ['sh', '-c', `echo BMKTKN-1-not-a-token > ${DIRECTORY}/garbled`]);
	const ran = await world.exec(container, [AGENT, 'once', '--token-file', `${DIRECTORY}/garbled`]);
	t.is(ran.code, 77);
	t.regex(ran.stderr, /\[token-malformed\]/);
	t.notRegex(ran.stderr, /not-a-token/);
});

test('an application that ends while its identity is being made leaves none that lives, and its next start has one', async (t) => {
	const name = world.name();
	const ENDS = 4;
	const events = await auditEvents(world);
	// From before the agent's first word to the CA until after its last; whoever comes after that waits for it.
	const script = `n=$(cat /n 2>/dev/null || echo 0); echo $((n + 1)) > /n; ${AGENT} once & [ $n -lt ${ENDS} ] || { wait; exec sleep 600; }; sleep 0.0$((n * 2))`;
	const container = await world.startWithoutAgent(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sh', '-c', script], Cmd: [] });
	for (let count = 0; count < ENDS; count++) {
		await container.wait();
		await container.start();
	}
	const { serial } = await eventually('the last start has an identity', async () => {
		const { code, stdout } = await world.exec(container, [AGENT, 'status', '--json']);
		return code === 0 && (JSON.parse(stdout) as { serial: string });
	});
	const born = await eventually('all others are revoked', async () => {
		const all = (await world.identities(true)).filter(({ commonName }) => commonName === name);
		return all.every((identity) => identity.serial === serial || identity.status === 'revoked') && all;
	});
	t.is(born.find((identity) => identity.serial === serial)?.status, 'live');
	const volume = (await container.inspect()).Mounts.find(({ Destination }) => Destination === DIRECTORY)!.Name!;
	t.true(mountsOf(volume).length > 0);
	await container.remove({ force: true, v: true });
	const ended = await eventually('nothing is left of them', async () => {
		const all = (await world.identities(true)).filter(({ commonName }) => commonName === name);
		return all.every(({ status }) => status === 'revoked') && (await world.status())?.pendingRevocations === 0 && mountsOf(volume).length === 0 && all;
	});
	// Whether an agent was in time, nobody knows; what it was given is what the list has, and one for a start at most.
	const issued = await eventually('the audit log tells of all of them', async () => {
		const found = (await events()).filter(({ action, details }) => action === 'certificate.issue' && details?.['commonName'] === name);
		return found.length >= ended.length && found;
	});
	t.deepEqual(issued.map(({ subject }) => subject).sort(), ended.map((identity) => identity.serial).sort());
	t.is(new Set(issued.map(({ details }) => details?.['startId'])).size, ended.length);
	t.true(ended.length <= ENDS + 1);
});

test('the delivered agent cannot be changed from inside a container', async (t) => {
	const container = await world.startWithoutAgent(t, { commonName: world.name(), organizationalUnit: 'web-api' }, SLEEP);
	const write = await world.exec(container, ['sh', '-c', `echo evil >> ${AGENT}`]);
	t.not(write.code, 0);
	t.regex(write.stderr, /Read-only file system/);
});
