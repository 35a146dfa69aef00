/** Without the CA nothing new is born, nothing that lives is disturbed, and nothing else on the engine notices. */

import test from 'ava';
import { startCa } from '../../../scripts/set-up.ts';
import { dockerCommand } from '../../../scripts/images.ts';
import { Steps } from '../../../scripts/steps.ts';
import { DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };
const ca = world.docker.getContainer(world.caContainer);
const docker = dockerCommand(new Steps(`${world.state}/logs/ca-away.log`), world.host);
const startAgain = () => startCa(docker, { container: world.caContainer, volume: 'birthmark-ca', port: Number(new URL(world.caUrl).port) });

test('a labelled container is refused with a sentence, an unlabelled one runs', async (t) => {
	t.teardown(startAgain);
	await ca.stop({ t: 5 });
	const refused = await world.cli(['create', '--label', `birthmark.cn=${world.name()}`, '--label', 'birthmark.ou=web-api', '--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark', 'test/busybox', 'true']);
	t.not(refused.code, 0);
	t.regex(refused.stderr, /\[ca-unavailable\]/);
	const other = await world.cli(['run', '--rm', 'test/busybox', 'echo', 'runs']);
	t.is(other.stdout, 'runs\n');
});

test('a container that was authorized waits at its start, and is born when the CA is back in time', async (t) => {
	t.teardown(startAgain);
	const name = world.name();
	const container = await world.create(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	await ca.stop({ t: 5 });
	const started = container.start();
	const first = await Promise.race([started.then(() => 'started'), startAgain().then(() => 'CA is back')]);
	t.is(first, 'CA is back');
	await started;
	t.truthy(await eventually('the identity is live', () => world.identity(name)));
});

test('a start without the CA ends with a sentence after the grace time, and leaves nothing mounted', async (t) => {
	t.teardown(startAgain);
	const container = await world.create(t, { commonName: world.name(), organizationalUnit: 'web-api' }, SLEEP);
	await ca.stop({ t: 5 });
	const refusal = await t.throwsAsync(container.start());
	t.regex(refusal.message, /\[ca-unavailable\]/);
	t.false((await container.inspect()).State.Running);
	await startAgain();
	await container.start();
	t.true((await container.inspect()).State.Running);
});

test('renewal survives an outage shorter than the rest of the life', async (t) => {
	t.teardown(startAgain);
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', lifetimeSeconds: 40 }, SLEEP);
	const before = await eventually('the identity is live', () => world.identity(name));
	await ca.kill();
	const pem = (await world.exec(container, ['cat', `${DIRECTORY}/tls.crt`])).stdout;
	// The earliest renewal is due after half the life; the CA returns when one has surely failed.
	await eventually('a renewal was due', async () => Date.now() > Date.parse(before.notAfter) - 7000, 60);
	t.is((await world.exec(container, ['cat', `${DIRECTORY}/tls.crt`])).stdout, pem, 'the old identity stays while the CA is away');
	await startAgain();
	const after = await eventually('it was renewed', async () => {
		const identity = await world.identity(name);
		return identity !== undefined && identity.renewals > 0 && identity;
	}, 30);
	t.not(after.serial, before.serial);
});

test('a death while the CA is away is told when it is back', async (t) => {
	t.teardown(startAgain);
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	await ca.stop({ t: 5 });
	await container.stop({ t: 1 });
	t.true(((await world.status())?.pendingRevocations ?? 0) > 0);
	await startAgain();
	t.truthy(await eventually('it is revoked', async () => (await world.identities(true)).find((identity) => identity.serial === serial && identity.status === 'revoked'), 60));
});

test('kill -9 of the CA loses nothing that it answered', async (t) => {
	t.teardown(startAgain);
	const names = Array.from({ length: 5 }, () => world.name());
	await Promise.all(names.map((name) => world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP)));
	const before = await eventually('all are live', async () => {
		const identities = (await world.identities()).filter((identity) => names.includes(identity.commonName));
		return identities.length === names.length && identities;
	});
	await ca.kill({ signal: 'SIGKILL' });
	await startAgain();
	const after = (await world.identities()).filter((identity) => names.includes(identity.commonName));
	t.deepEqual(after.map((identity) => identity.serial).sort(), before.map((identity) => identity.serial).sort());
});
