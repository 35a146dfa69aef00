/** A test suite of somebody else: containers with identities, started and stopped by testcontainers. */

import test from 'ava';
import { GenericContainer, Wait } from 'testcontainers';
import { IdentityContainer, startBirthmark, withIdentity } from '../../../hook/testcontainers.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SERVICE = ['/usr/bin/node', '/app/service.mjs'];

test('an IdentityContainer serves mutual TLS under its name, and its identity ends with it', async (t) => {
	const name = world.name();
	const container = await new IdentityContainer('birthmark/demo', { commonName: name, organizationalUnit: 'web-api' })
		.withCommand([...SERVICE, 'server'])
		.withHostname(name)
		.withExposedPorts(8443)
		.withWaitStrategy(Wait.forLogMessage(/listening/))
		.start();
	t.teardown(() => container.stop());
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	const call = await container.exec([...SERVICE, 'call', `https://${name}:8443/`]);
	t.is(call.exitCode, 0, call.output);
	t.regex(call.stdout, new RegExp(`"caller":\\{"name":"${name}"`));
	await container.stop();
	t.truthy(await eventually('it is revoked', async () => (await world.identities(true)).find((identity) => identity.serial === serial && identity.status === 'revoked')));
});

test('a container of a name outside the policy fails to start with the sentence of the plugin', async (t) => {
	const refusal = await t.throwsAsync(new IdentityContainer('birthmark/demo', { commonName: 'db01', organizationalUnit: 'db' }).start());
	t.regex(refusal.message, /no rule allows the name "db01".*\[name-not-allowed\]/s);
});

test('on an engine that is set up, a suite uses what is there: any description gets an identity by its labels alone', async (t) => {
	const birthmark = await startBirthmark();
	t.true(birthmark.wasThere);
	const name = world.name();
	const description = new GenericContainer('birthmark/demo').withCommand([...SERVICE, 'server']).withHostname(name).withExposedPorts(8443).withWaitStrategy(Wait.forLogMessage(/listening/));
	const container = await withIdentity(description, { cn: name, ou: 'web-api' }).start();
	t.teardown(() => container.stop());
	const { HostConfig, Mounts } = await world.docker.getContainer(container.getId()).inspect();
	t.is(HostConfig.Runtime, 'birthmark');
	t.deepEqual(Mounts, []);
	const call = await container.exec([...SERVICE, 'call', `https://${name}:8443/`]);
	t.is(call.exitCode, 0, call.output);
	await birthmark.stop();
	t.true((await world.status())?.inChain);
});
