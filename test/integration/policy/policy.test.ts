/** The policy of the host decides at `docker run`: at once when it changes, for each caller by its certificate. */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import test from 'ava';
import { encodePem } from '#common/x509/pem.ts';
import { freePort } from '../../../scripts/ports.ts';
import { startEngine, stopEngine } from '../../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { Steps } from '../../../scripts/steps.ts';
import { temporaryFolder } from '../../support/ca.ts';
import { createPki, issueLeaf, type Pki } from '../../support/pki.ts';
import { addRules } from '../../support/policy.ts';
import { openWorld } from '../../support/world.ts';

const world = openWorld();
const POLICY = join(world.state, 'policy.cedar');

const run = (name: string, ...options: string[]) =>
	world.cli(['run', '--rm', '--name', name, '--label', `birthmark.cn=${name}`, '--label', 'birthmark.ou=web', '--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark', ...options, 'test/busybox', 'true']);

test.serial('a rule that forbids is named at docker run, with the remedy, and the remedy helps', async (t) => {
	const name = world.name('web');
	addRules(t, world, `@id("no-root-${name}") @reason("it runs as root") @remedy("run it with --user UID:GID") forbid (principal, action == Action::"run", resource) when { resource.cn == "${name}" && resource.user == "root" };`);
	const refused = await run(name);
	t.not(refused.code, 0);
	t.regex(refused.stderr, new RegExp(`birthmark: the rule "no-root-${name}" forbids caller "local" to run "${name}" \\(web\\) from image "test/busybox": it runs as root; run it with --user UID:GID \\[policy-refused\\]`));
	t.deepEqual(await world.docker.listContainers({ all: true, filters: { name: [name] } }), []);
	const remedied = await run(name, '--user', '1000:1000');
	t.is(remedied.code, 0, remedied.stderr);
});

test.serial('with a faulty file, or one that is gone, nobody gets a name; all else goes on', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	const policy = readFileSync(POLICY, 'utf8');
	const replace = (text: string): void => {
		writeFileSync(`${POLICY}.next`, text, { mode: 0o644 });
		renameSync(`${POLICY}.next`, POLICY);
	};
	t.teardown(() => replace(policy));
	replace(`${policy}permit (principal, action, resource);\n`);
	const refused = await run(world.name('web'));
	t.regex(refused.stderr, /has a fault in line \d+, column 1: the rule has no id.*\[policy-invalid\]/);
	t.is((await world.cli(['run', '--rm', 'test/busybox', 'true'])).code, 0, 'a container without an identity');
	t.true((await container.inspect()).State.Running);
	t.truthy(await world.identity(name));
	rmSync(POLICY);
	t.regex((await run(world.name('web'))).stderr, /was there and is gone.*\[policy-invalid\]/);
});

test.serial('a name that the link of another container gives does not bring a container under a rule', async (t) => {
	const name = world.name('web');
	const other = `a-${name}`;
	addRules(t, world, `@id("exec-${name}") permit (principal, action == Action::"exec", resource) when { resource.name like "${other}*" };`);
	t.teardown(() => world.cli(['rm', '--force', '--volumes', other, name]));
	const identity = ['--label', `birthmark.cn=${name}`, '--label', 'birthmark.ou=web', '--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark'];
	for (const options of [['--name', name, ...identity], ['--name', other, '--link', `${name}:alias`]]) {
		const started = await world.cli(['run', '--detach', ...options, 'test/busybox', 'sleep', '600']);
		t.is(started.code, 0, started.stderr);
	}
	const [listed] = await world.docker.listContainers({ filters: { label: [`birthmark.cn=${name}`] } });
	t.deepEqual(listed?.Names, [`/${other}/alias`, `/${name}`], 'as the engine has them');
	t.regex((await world.cli(['exec', name, 'true'])).stderr, /\[identity-isolated\]/);
	t.is((await world.cli(['exec', other, 'true'])).code, 0);
});

test.serial('the command in the image of the CA answers off line', async (t) => {
	const { code, stdout, stderr } = await world.cli(['run', '--rm', '--network', 'none', '--entrypoint', '/usr/bin/birthmark', 'birthmark/ca', 'policy', 'test', '--cn', 'api01', '--ou', 'web-api', '--image', 'x:1']);
	t.is(code, 0, stderr);
	t.regex(stdout, /^permitted: the built-in rule "builtin-run" permits caller "local" to run "api01"/);
});

test.serial('over TLS the caller is the name in its certificate: alice may, bob and the socket may not', async (t) => {
	const steps = new Steps(`${world.state}/logs/policy.log`);
	const folder = temporaryFolder(t);
	const pki = createPki();
	const engine = pemOf(pki, 'engine');
	const file = (name: string, text: string): string => (writeFileSync(join(folder, name), text, { mode: 0o600 }), join(folder, name));
	const port = await freePort();
	const tls = { tlsverify: true, tlscacert: file('ca.pem', engine.trust), tlscert: file('cert.pem', engine.certificate), tlskey: file('key.pem', engine.key) };
	const restart = async (settings: Parameters<typeof startEngine>[2]): Promise<void> => {
		await stopEngine(world.paths);
		await startEngine(steps, world.paths, settings);
		await waitUntilEnforced(world.host);
	};
	t.teardown(() => restart({ settings: { hosts: [world.host], tlsverify: undefined, tlscacert: undefined, tlscert: undefined, tlskey: undefined } }));
	await restart({ settings: { hosts: [world.host, `tcp://127.0.0.1:${port}`], ...tls } });

	const name = world.name('web');
	addRules(t, world, `@id("only-alice-${name}") forbid (principal, action == Action::"run", resource) when { resource.cn == "${name}" } unless { principal == Caller::"alice" };`);
	const body = { Image: 'test/busybox', Cmd: ['true'], Labels: { 'birthmark.cn': name, 'birthmark.ou': 'web' }, HostConfig: { Mounts: [{ Type: 'volume', Target: '/run/birthmark', VolumeOptions: { DriverConfig: { Name: 'birthmark' } } }] } };
	const create = (caller: string) => post(port, pemOf(pki, caller), `/containers/create?name=${name}`, body);

	const bob = await create('bob');
	t.is(bob.status, 403);
	t.regex(bob.text, new RegExp(`the rule \\\\"only-alice-${name}\\\\" forbids caller \\\\"bob\\\\" to run`));
	t.is((await create('local')).status, 403, 'a certificate that calls itself local');
	t.regex((await run(name)).stderr, /forbids caller "local" to run.*\[policy-refused\]/);
	const alice = await create('alice');
	t.is(alice.status, 201, alice.text);
	await world.docker.getContainer(name).remove({ v: true });
});

interface Pem {
	readonly key: string;
	/** leaf first */
	readonly certificate: string;
	readonly trust: string;
}

function pemOf(pki: Pki, name: string): Pem {
	const leaf = issueLeaf(pki, [name]);
	const trust = encodePem('CERTIFICATE', pki.root);
	return { key: leaf.key.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), certificate: encodePem('CERTIFICATE', leaf.der) + encodePem('CERTIFICATE', pki.intermediate), trust };
}

function post(port: number, { key, certificate, trust }: Pem, path: string, body: object): Promise<{ status: number; text: string }> {
	return new Promise((resolve, reject) => {
		const call = request({ host: '127.0.0.1', port, path, method: 'POST', key, cert: certificate, ca: trust, servername: 'engine', agent: false, headers: { 'content-type': 'application/json' } }, (answer) => {
			let text = '';
			answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
			answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
		});
		call.on('error', reject);
		call.end(JSON.stringify(body));
	});
}
