/** A labelled container is born with an identity, whatever its image, user or network. */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import tmp from 'tmp';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const run = promisify(execFile);
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };

test('a labelled container is born with an identity that says who it is', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', dnsNames: [`${name}.internal`] }, SLEEP);
	const identity = await eventually('the identity is live', () => world.identity(name));
	t.is(identity.organizationalUnit, 'web-api');
	t.is(identity.organization, 'test');
	t.is(identity.spiffeId, `spiffe://test.internal/test/web-api/${name}`);
	t.is(identity.containerId, container.id);
	t.is(identity.image, 'test/busybox');
	t.is(identity.node, 'test-host');
	t.is(identity.renewals, 0);
	t.deepEqual(identity.dnsNames, [`${name}.internal`], 'beside the CN');
});

test('what lies on the volume is what OpenSSL accepts, and the token is gone', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	await eventually('the identity is live', () => world.identity(name));
	const { name: directory, removeCallback } = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(removeCallback);
	const chain = (await world.exec(container, ['cat', `${DIRECTORY}/tls.crt`])).stdout;
	const [leaf, intermediate] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
	writeFileSync(join(directory, 'leaf.pem'), leaf!);
	writeFileSync(join(directory, 'intermediate.pem'), intermediate!);
	writeFileSync(join(directory, 'ca.pem'), (await world.exec(container, ['cat', `${DIRECTORY}/ca.crt`])).stdout);
	writeFileSync(join(directory, 'crl.pem'), (await world.exec(container, ['cat', `${DIRECTORY}/crl.pem`])).stdout);
	for (const purpose of ['sslserver', 'sslclient']) {
		const { stdout } = await run('openssl', ['verify', '-x509_strict', '-crl_check_all', '-purpose', purpose, '-verify_hostname', name, '-CAfile', 'ca.pem', '-CRLfile', 'crl.pem', '-untrusted', 'intermediate.pem', 'leaf.pem'], { cwd: directory });
		t.is(stdout.trim(), 'leaf.pem: OK', purpose);
	}
	const { stdout: listing } = await world.exec(container, ['ls', '-la', DIRECTORY]);
	t.notRegex(listing, / token\n/);
	const { stdout: type } = await world.exec(container, ['stat', '-f', '-c', '%T', DIRECTORY]);
	t.is(type.trim(), 'tmpfs');
});

for (const [kind, options] of Object.entries({
	'an image with nothing but one static program': { Image: 'test/scratch' },
	'an unprivileged numeric user': { ...SLEEP, User: '65534:65534' },
	'a read-only root, no capabilities, no new privileges': { ...SLEEP, HostConfig: { ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] } },
	'no network at all': { ...SLEEP, HostConfig: { NetworkMode: 'none' } },
	'an image on glibc with its own user': { Image: 'birthmark/demo', Cmd: ['/usr/bin/node', '/app/service.mjs', 'idle'] },
	'an init process before the agent': { ...SLEEP, HostConfig: { Init: true } },
})) {
	test(`an identity reaches a container with ${kind}`, async (t) => {
		const name = world.name();
		const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, options);
		const identity = await eventually('the identity is live', async () => {
			const { State } = await container.inspect();
			if (!State.Running) throw new Error(`ended with ${State.ExitCode}: ${await world.logs(container)}`);
			return world.identity(name);
		});
		const { code, stdout } = await world.exec(container, [AGENT, 'status', '--json']);
		t.is(code, 0);
		t.is((JSON.parse(stdout) as { serial: string }).serial.toLowerCase(), identity.serial.toLowerCase());
	});
}

test('the volume belongs to the user of the container, and to nobody else', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { ...SLEEP, User: '4242:4343' });
	await eventually('the identity is live', () => world.identity(name));
	const { stdout } = await world.exec(container, ['stat', '-L', '-c', '%n %u:%g %a', DIRECTORY, `${DIRECTORY}/identity.pem`, `${DIRECTORY}/tls.key`, `${DIRECTORY}/tls.crt`]);
	t.is(stdout, `${DIRECTORY} 4242:4343 700\n${DIRECTORY}/identity.pem 4242:4343 600\n${DIRECTORY}/tls.key 4242:4343 600\n${DIRECTORY}/tls.crt 4242:4343 644\n`);
	const other = await world.exec(container, ['cat', `${DIRECTORY}/tls.crt`], { user: '4244:4343' });
	t.not(other.code, 0);
});

test('over the network, by label, there is no relay and the same identity', async (t) => {
	const name = world.name();
	// The CA of the tests listens on the host's loopback interface.
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', caWay: 'network' }, { ...SLEEP, HostConfig: { NetworkMode: 'host' } });
	await eventually('the identity is live', () => world.identity(name));
	t.not((await world.exec(container, ['ls', `${DIRECTORY}/ca.sock`])).code, 0);
	const renewed = await world.exec(container, [AGENT, 'renew']);
	t.is(renewed.code, 0, renewed.stderr);
	t.is((await world.identity(name))?.renewals, 1);
});

test('an agent that was copied into an image does the same as the one on the volume', async (t) => {
	const context = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => context.removeCallback());
	writeFileSync(join(context.name, 'Dockerfile'), 'FROM test/scratch\nCOPY --from=birthmark/agent /opt/birthmark /opt/birthmark\nENTRYPOINT ["/opt/birthmark/bin/birthmark-agent", "exec", "--"]\nCMD ["/busybox", "sleep", "600"]\n');
	const tag = `${world.name('agent')}:test`;
	const built = await world.cli(['build', '--quiet', '--tag', tag, context.name]);
	t.is(built.code, 0, built.stderr);
	t.teardown(() => world.cli(['image', 'rm', '--force', tag]));
	const name = world.name();
	const container = await world.startWithoutAgent(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: tag, Entrypoint: ['/opt/birthmark/bin/birthmark-agent', 'exec', '--'], Cmd: ['/busybox', 'sleep', '600'] });
	await eventually('the identity is live', () => world.identity(name));
	t.is((await world.exec(container, ['/opt/birthmark/bin/birthmark-agent', 'status'])).code, 0);
});

test('two services talk mutual TLS with the identities they were born with, and a stranger does not', async (t) => {
	const network = await world.network(t);
	const [server, client] = [world.name(), world.name('web')];
	const HostConfig = { NetworkMode: network.id };
	const service = ['/usr/bin/node', '/app/service.mjs'];
	await world.start(t, { commonName: server, organizationalUnit: 'web-api' }, { name: server, Image: 'birthmark/demo', Cmd: [...service, 'server'], HostConfig });
	const caller = await world.start(t, { commonName: client, organizationalUnit: 'web' }, { name: client, Image: 'birthmark/demo', Cmd: [...service, 'idle'], HostConfig });
	await eventually('both are live', async () => (await world.identity(server)) && (await world.identity(client)));
	const answer = await eventually('the server answers', async () => {
		const ran = await world.exec(caller, [...service, 'call', `https://${server}:8443/`]);
		return ran.code === 0 && (JSON.parse(ran.stdout) as Record<string, unknown>);
	});
	t.regex(JSON.stringify(answer), new RegExp(`${server}.*web-api`));
	t.regex(JSON.stringify(answer), new RegExp(`${client}.*web`));
	const stranger = await world.exec(caller, [...service, 'call', '--anonymous', `https://${server}:8443/`]);
	t.is(stranger.code, 1);
});

test('exit code and signals of the application pass through the agent', async (t) => {
	const exits = await world.start(t, { commonName: world.name(), organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sh', '-c'], Cmd: ['exit 42'] });
	t.is((await exits.wait() as { StatusCode: number }).StatusCode, 42);
	const name = world.name();
	const traps = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sh', '-c'], Cmd: ['trap "echo got TERM; exit 7" TERM; echo ready; while :; do sleep 600 & wait $!; done'] });
	await eventually('the application runs', async () => (await world.logs(traps)).includes('ready'));
	await traps.stop({ t: 20 });
	t.is((await traps.inspect()).State.ExitCode, 7);
	t.regex(await world.logs(traps), /got TERM/);
});
