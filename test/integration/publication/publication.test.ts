/** Identities in every format, for servers that become another user, and in directories that the application spoils. */

import test, { type ExecutionContext } from 'ava';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type Docker from 'dockerode';
import { createSecureContext } from 'node:tls';
import type { ContainerIdentity } from '../../../hook/provision.ts';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };

/** A container that sleeps, with its identity in place. */
async function start(t: ExecutionContext, identity: Partial<ContainerIdentity>, options: Docker.ContainerCreateOptions = {}): Promise<Docker.Container> {
	const commonName = world.name();
	const container = await world.start(t, { commonName, organizationalUnit: 'web-api', ...identity }, { ...SLEEP, ...options });
	await eventually('the identity is live', async () => {
		const { State } = await container.inspect();
		if (!State.Running) throw new Error(`ended with ${State.ExitCode}: ${await world.logs(container)}`);
		return world.identity(commonName);
	});
	return container;
}

async function read(container: Docker.Container, name: string): Promise<Buffer> {
	const { code, stdout, stderr } = await world.exec(container, ['base64', `${DIRECTORY}/${name}`]);
	if (code !== 0) throw new Error(stderr);
	return Buffer.from(stdout, 'base64');
}

/** Owner, group and mode of files on the volume, links followed. */
async function looks(container: Docker.Container, ...names: readonly string[]): Promise<string[]> {
	const { stdout } = await world.exec(container, ['stat', '-L', '-c', '%u:%g %a', ...names.map((name) => `${DIRECTORY}/${name}`)]);
	return stdout.trim().split('\n');
}

const renew = (container: Docker.Container) => world.exec(container, [AGENT, 'renew']);

test('every format holds the same identity, before and after a renewal', async (t) => {
	const container = await start(t, { formats: ['pkcs12', 'haproxy', 'der', 'nginx'] });
	const passwords: string[] = [];
	const serials: string[] = [];
	for (const generation of ['.generation-1', '.generation-2']) {
		const [pem, combined, key, chain, store, trust, password, nginx] = (await Promise.all(['identity.pem', 'haproxy.pem', 'tls.key.der', 'tls.crt.der', 'identity.p12', 'ca.p12', 'identity.p12.password', 'nginx.conf'].map((name) => read(container, name)))) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
		const passphrase = password.toString();
		const { serialNumber } = new X509Certificate(pem);
		const own = createPrivateKey(pem);
		t.true(createPrivateKey({ key, format: 'der', type: 'pkcs8' }).equals(own));
		t.true(createPrivateKey(combined).equals(own));
		for (const leaf of [combined, chain]) t.is(new X509Certificate(leaf).serialNumber, serialNumber);
		const opened = execFileSync('openssl', ['pkcs12', '-passin', `pass:${passphrase}`, '-noenc'], { input: store, encoding: 'utf8' });
		t.true(createPrivateKey(opened).equals(own));
		t.is(new X509Certificate(opened.slice(opened.indexOf('-----BEGIN CERT'))).serialNumber, serialNumber);
		t.notThrows(() => createSecureContext({ pfx: store, passphrase }));
		const trusted = execFileSync('openssl', ['pkcs12', '-passin', `pass:${passphrase}`, '-nokeys'], { input: trust, encoding: 'utf8' });
		t.true(new X509Certificate(trusted.slice(trusted.indexOf('-----BEGIN CERT'))).ca);
		t.is(nginx.toString(), `ssl_certificate ${DIRECTORY}/${generation}/tls.crt;\nssl_certificate_key ${DIRECTORY}/${generation}/tls.key;\n`);
		passwords.push(passphrase);
		serials.push(serialNumber);
		t.is((await renew(container)).code, 0);
	}
	t.is(passwords[0], passwords[1]);
	t.not(serials[0], serials[1]);
});

test('a server that starts as root and becomes another user reads its key, and cannot write beside it', async (t) => {
	const container = await start(t, { uid: 999, gid: 998 });
	const server = { user: '999:998' };
	for (const serial of [1, 2]) {
		t.deepEqual(await looks(container, '.', 'tls.key', 'identity.pem', 'tls.crt', 'ca.crt'), ['0:998 750', '999:998 600', '999:998 600', '999:998 644', '999:998 644'], `certificate ${serial}`);
		t.is((await world.exec(container, ['cat', `${DIRECTORY}/tls.key`], server)).code, 0);
		t.is((await renew(container)).code, 0);
	}
	for (const attack of ['rm -f tls.key', 'rm -f current', 'mv identity.pem x', 'ln -s /root .generation-9', 'touch .generation-3/x']) {
		const { code, stderr } = await world.exec(container, ['sh', '-c', `cd ${DIRECTORY} && ${attack}`], server);
		t.not(code, 0, attack);
		t.regex(stderr, /Permission denied/, attack);
	}
	t.not((await world.exec(container, ['cat', `${DIRECTORY}/tls.key`], { user: '1000:1000' })).code, 0, 'it is nobody else\'s');
	const misplaced = await world.exec(container, [AGENT, 'renew'], server);
	t.is(misplaced.code, 78);
	t.regex(misplaced.stderr, /belongs to user 0, but the agent runs as user 999: run the agent as the container's user.*\[directory-unusable\]/);
});

test('where the node runs the agent, formats and owners are the same, and paths are those of the container', async (t) => {
	const container = await start(t, { uid: 999, gid: 998, agentMode: 'node', formats: ['pkcs12', 'nginx'] });
	t.deepEqual(await looks(container, '.', 'tls.key', 'identity.p12'), ['999:998 700', '999:998 600', '999:998 600']);
	t.regex((await read(container, 'nginx.conf')).toString(), new RegExp(`^ssl_certificate ${DIRECTORY}/\\.generation-1/tls\\.crt;`));
	t.is((await world.exec(container, ['cat', `${DIRECTORY}/.generation-1/tls.key`], { user: '999:998' })).code, 0);
});

test('root with few capabilities, or none, gives away what it needs again, lets a group read keys, or says what to do', async (t) => {
	const powerless = { HostConfig: { CapDrop: ['ALL'] } };
	const container = await start(t, { uid: 999, gid: 998, keyMode: 0o640 }, powerless);
	for (const serial of [1, 2]) {
		t.deepEqual(await looks(container, '.', 'tls.key', 'tls.crt'), ['0:998 2750', '0:998 640', '0:998 644'], `certificate ${serial}`);
		t.is((await world.exec(container, ['cat', `${DIRECTORY}/identity.pem`], { user: '999:998' })).code, 0);
		t.is((await renew(container)).code, 0);
	}
	// What a server needs to become another user, and the agent to give it its files; no power to read them again.
	const server = await start(t, { uid: 999, gid: 998, formats: ['pkcs12'] }, { HostConfig: { CapDrop: ['ALL'], CapAdd: ['CHOWN', 'SETUID', 'SETGID'] } });
	t.deepEqual(await looks(server, 'tls.key', 'identity.p12.password'), ['999:998 600', '999:998 600']);
	const password = () => world.exec(server, ['cat', `${DIRECTORY}/identity.p12.password`], { user: '999:998' });
	const { stdout } = await password();
	t.is((await renew(server)).code, 0);
	t.is((await password()).stdout, stdout);

	const unreadable = await world.start(t, { commonName: world.name(), organizationalUnit: 'web-api', uid: 999, gid: 998 }, { ...SLEEP, ...powerless });
	t.like(await unreadable.wait(), { StatusCode: 78 });
	t.regex(await world.logs(unreadable), /cannot be given to the user 999 and the group 998: keep the capability CHOWN, or let the group read the keys .*\[directory-unusable\]/);
});

test('what the application puts in the way is named, leads nowhere, and costs nothing that was there', async (t) => {
	const container = await start(t, {});
	const shell = (script: string) => world.exec(container, ['sh', '-ec', `cd ${DIRECTORY}; ${script}`]);
	const before = await read(container, 'identity.pem');
	await shell('rm ca.crt; mkdir ca.crt; mkdir /elsewhere; echo mine > /elsewhere/tls.key');
	const refused = await renew(container);
	t.is(refused.code, 78);
	t.regex(refused.stderr, /something else has one of the names that the agent uses; remove what does not belong there \[directory-unusable\]/);
	t.deepEqual(await read(container, 'identity.pem'), before);
	// Links that lead elsewhere are replaced, not followed.
	await shell('rmdir ca.crt; ln -sf /elsewhere/tls.key tls.key; ln -sfn /elsewhere .generation-99; ln -sf /elsewhere/tls.key identity.pem');
	t.is((await renew(container)).code, 0);
	t.is((await shell('cat /elsewhere/*')).stdout, 'mine\n');
	t.not((await read(container, 'identity.pem')).toString(), before.toString());
	t.true(new X509Certificate(await read(container, 'tls.crt')).checkPrivateKey(createPrivateKey(await read(container, 'tls.key'))));
	// Without its files there is nothing to renew with.
	await shell('rm -r current/*');
	const lost = await renew(container);
	t.is(lost.code, 66);
	t.regex(lost.stderr, /restart the container.*\[identity-missing\]/);
});
