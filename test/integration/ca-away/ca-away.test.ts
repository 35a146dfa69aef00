/** Without the CA nothing new is born, nothing that lives is disturbed, and nothing else on the engine notices. */

import test from 'ava';
import { startEngine, stopEngine } from '../../../scripts/private-engine.ts';
import { startCa, waitUntilEnforced } from '../../../scripts/set-up.ts';
import { dockerCommand } from '../../../scripts/images.ts';
import { Steps } from '../../../scripts/steps.ts';
import { auditEvents } from '../../support/audit.ts';
import { killPlugin, successorOf } from '../../support/plugin-crash.ts';
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
	await startAgain();
	await started;
	const begun = async (which: typeof container): Promise<number> => Date.parse((await which.inspect()).State.StartedAt);
	t.true((await begun(container)) > (await begun(ca)), 'not before the CA was back, as the engine tells it');
	t.truthy(await eventually('the identity is live', () => world.identity(name)));
});

test('in an outage a start ends with a sentence after the grace time and leaves nothing mounted; renewal survives it, and nobody is alarmed', async (t) => {
	t.teardown(startAgain);
	const late = await world.create(t, { commonName: world.name(), organizationalUnit: 'web-api' }, SLEEP);
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', lifetimeSeconds: 60 }, { ...SLEEP, Env: ['BIRTHMARK_LOG=info'] });
	const before = await eventually('the identity is live', () => world.identity(name));
	await ca.kill();
	const refused = t.throwsAsync(late.start());
	const pem = (await world.exec(container, ['cat', `${DIRECTORY}/tls.crt`])).stdout;
	// At 80 % of the life at the latest: a fifth of it is left for the CA to return.
	const log = await eventually('a renewal has failed', async () => {
		const said = await world.logs(container);
		return said.includes('renewal failed') && said;
	});
	t.notRegex(log, /"level":"(?:warn|error)"/);
	t.is((await world.exec(container, ['cat', `${DIRECTORY}/tls.crt`])).stdout, pem, 'the old identity stays while the CA is away');
	t.regex((await refused).message, /\[ca-unavailable\]/);
	t.false((await late.inspect()).State.Running);
	await startAgain();
	const after = await eventually('it was renewed', async () => {
		const identity = await world.identity(name);
		return identity !== undefined && identity.renewals > 0 && identity;
	});
	t.not(after.serial, before.serial);
	await late.start();
	t.true((await late.inspect()).State.Running);
});

test('while the CA accepts connections and never answers, twenty starts wait for it and nothing else on the engine does', async (t) => {
	const names = Array.from({ length: 20 }, () => world.name());
	// Twenty at once take longer to start on a slow machine than their tokens live here.
	const HostConfig = { RestartPolicy: { Name: 'on-failure' } };
	const containers = await Promise.all(names.map((name) => world.create(t, { commonName: name, organizationalUnit: 'web-api' }, { ...SLEEP, HostConfig })));
	t.teardown(() => ca.unpause().catch(() => undefined));
	await ca.pause();
	const order: string[] = [];
	const started = Promise.all(containers.map((container) => container.start().finally(() => order.push('labelled'))));
	const other = await world.plain(t, { Image: 'test/busybox', Cmd: ['echo', 'runs'] });
	await other.start();
	await other.wait();
	t.is(await world.logs(other), 'runs\n');
	t.true((await world.docker.listContainers({ all: true })).length > names.length);
	await other.remove();
	order.push('unlabelled');
	await ca.unpause();
	await started;
	t.is(order[0], 'unlabelled');
	t.is(order.length, names.length + 1);
	await eventually('all are live', async () => (await world.identities()).filter(({ commonName }) => names.includes(commonName)).length === names.length);
});

test('a death while the CA is away is told once when it is back, although the plugin was killed and the engine stopped meanwhile', async (t) => {
	t.teardown(startAgain);
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	const { serial, authorizationId } = await eventually('the identity is live', () => world.identity(name));
	const events = await auditEvents(world);
	const isPending = async () => ((await world.status())?.pendingRevocations ?? 0) > 0;
	await ca.stop({ t: 5 });
	await container.stop({ t: 1 });
	// The engine says that it has stopped a container before it lets go of the volume.
	await eventually('the plugin knows', isPending);
	await successorOf(world, await killPlugin(world));
	t.true(await isPending(), 'the next one knows');
	await stopEngine(world.paths);
	await startEngine(new Steps(`${world.state}/logs/ca-away.log`), world.paths);
	// The engine has started the CA as well: it is restart: always.
	await waitUntilEnforced(world.host);
	t.truthy(await eventually('it is revoked', async () => (await world.identities(true)).find((identity) => identity.serial === serial && identity.status === 'revoked')));
	await eventually('nothing is left to tell', async () => (await world.status())?.pendingRevocations === 0);
	t.is((await events()).filter(({ action, subject }) => action === 'certificate.revoke' && subject === authorizationId).length, 1);
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
