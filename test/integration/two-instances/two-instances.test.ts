/**
 * docs/examples/two-instances as its README has it, in containers of a real engine: the commands of its
 * preparation are run as they stand, and the services of its compose.yaml are started with the image of
 * the CA. An engine host beside, with the plugin, gets both addresses.
 *
 * Not covered: `docker compose` itself (test/support/compose-engine.ts does its part); the public image
 * `postgres:16`, in whose place is one of the distribution's PostgreSQL (test/support/postgres-image.ts);
 * the ports 33004 and 33005, which may be taken here.
 */

import test, { type ExecutionContext } from 'ava';
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Identity, IdentityList, RevokeAnswer } from '#common/protocol/messages.ts';
import { dockerCommand } from '../../../scripts/images.ts';
import { BUILD } from '../../../scripts/paths.ts';
import { Steps } from '../../../scripts/steps.ts';
import { clientOf, temporaryFolder } from '../../support/ca.ts';
import { newCommand } from '../../support/command.ts';
import { readComposeServices } from '../../support/compose.ts';
import { composeProject, type Project } from '../../support/compose-engine.ts';
import { buildPostgresImage } from '../../support/postgres-image.ts';
import { startSecondEngine } from '../../support/second-engine.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const EXAMPLE = fileURLToPath(new URL('../../../docs/examples/two-instances', import.meta.url));
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };
const INSTANCES = ['ca1', 'ca2'] as const;
type Instance = typeof INSTANCES[number];

test.before('there is an image for the database', async () => {
	const steps = new Steps(join(BUILD, 'logs/two-instances.log'));
	await buildPostgresImage(steps, dockerCommand(steps, world.host), 'postgres:16');
});

test('the example is one CA at two addresses: an engine host and an operator with both go on when one is stopped', async (t) => {
	t.timeout(600_000);
	const project = await exampleProject(t);
	await project.up();
	for (const instance of INSTANCES) await isReady(project, instance);
	const bundle = await bundleOf(project, 'ca1');
	t.deepEqual(await bundleOf(project, 'ca2'), bundle);
	for (const instance of INSTANCES) t.is((await clientFor(project, instance, bundle).request('GET', '/readyz')).status, 200, instance);

	const addresses = INSTANCES.map((instance) => `https://127.0.0.1:${project.port(instance)}`).join(',');
	const command = newCommand(t);
	const login = await command(['login', '--ca', addresses], { input: await token(project, 'ca1', 'operator', '--name', 'alice') });
	t.is(login.code, 0, login.stderr);
	const listed = async (): Promise<readonly Identity[]> => (await command(['ls', '--all', '--json'])).json<IdentityList>().identities;
	const status = async (name: string) => (await listed()).find(({ commonName }) => commonName === name)?.status;
	const revoke = async (name: string): Promise<void> => {
		const revoked = await command(['revoke', '--cn', name, '--json']);
		t.is(revoked.code, 0, revoked.stderr);
		t.is(revoked.json<RevokeAnswer>().revoked, 1);
		t.is(await status(name), 'revoked');
	};
	const joinToken = await token(project, 'ca2', 'node', '--name', 'host1', '--allow', 'api*/web-api');
	const engine = await startSecondEngine(t, { caUrl: addresses, joinToken, adminSocket: adminSocket(project, 'ca2') });
	const birth = async (): Promise<string> => {
		const name = world.name();
		await engine.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
		await eventually(`${name} is live`, async () => (await status(name)) === 'live');
		return name;
	};

	const first = await birth();
	await revoke(await birth());
	await project.container('ca1').stop();
	t.is(await status(first), 'live', 'the other one answers the same command');
	const second = await birth();
	await revoke(first);
	await project.container('ca1').start();
	await isReady(project, 'ca1');
	await project.container('ca2').stop();
	t.is(await status(first), 'revoked', 'what was decided meanwhile is known to the one that was stopped');
	await revoke(second);
	await birth();
});

test('the example\'s key-encryption key is accepted as it is mounted, refused when others can read it, and accepted again', async (t) => {
	t.timeout(600_000);
	const folder = temporaryFolder(t);
	const project = await exampleProject(t, folder);
	await project.up();
	for (const instance of INSTANCES) await isReady(project, instance);
	const inside = 'const { uid, mode } = fs.statSync(process.env.BIRTHMARK_CA_KEY_ENCRYPTION_FILE); console.log(process.getuid(), uid, (mode & 0o777).toString(8))';
	for (const instance of INSTANCES) {
		const { stdout } = await world.exec(project.container(instance), ['node', '-e', inside]);
		t.is(stdout, '65532 65532 400\n', instance);
		const write = await world.exec(project.container(instance), ['node', '-e', 'fs.writeFileSync(process.env.BIRTHMARK_CA_KEY_ENCRYPTION_FILE, "another")'], { user: '0' });
		t.regex(write.stderr, /EROFS/, 'the file is mounted read-only');
	}

	chmodSync(join(folder, 'key-encryption.key'), 0o444);
	await project.container('ca1').restart();
	await eventually('the CA says why it does not start', async () => (await world.logs(project.container('ca1'))).includes('can be read by others (mode 444)'));
	t.is((await clientFor(project, 'ca2').request('GET', '/healthz', { overAdminSocket: true })).status, 200, 'the other is not disturbed');
	chmodSync(join(folder, 'key-encryption.key'), 0o400);
	await isReady(project, 'ca1');
});

test('the example taken down and up again is the same CA, and without its database it comes back by itself', async (t) => {
	t.timeout(600_000);
	const project = await exampleProject(t);
	await project.up();
	for (const instance of INSTANCES) await isReady(project, instance);
	const bundle = await bundleOf(project, 'ca1');
	await project.down();
	await project.up();
	for (const instance of INSTANCES) {
		await isReady(project, instance);
		t.deepEqual(await bundleOf(project, instance), bundle, instance);
	}
	await project.container('postgres').stop();
	for (const instance of INSTANCES) {
		await eventually(`${instance} says that it is not ready`, async () => (await clientFor(project, instance, bundle).request('GET', '/readyz')).status === 503);
	}
	await project.container('postgres').start();
	for (const instance of INSTANCES) await isReady(project, instance);
	const node = await clientFor(project, 'ca2', bundle).join('host1');
	await clientFor(project, 'ca1', bundle).enrol(node, 'api01', 'web-api');
});

/** Runs what the README says to run once, and reads the Compose file with what comes of it. */
async function exampleProject(t: ExecutionContext, folder = temporaryFolder(t)): Promise<Project> {
	const commands = readFileSync(join(EXAMPLE, 'README.md'), 'utf8').split('\n').filter((line) => /^ {4}.* > (\.env|key-encryption\.key) /.test(line));
	t.is(commands.length, 2);
	for (const command of commands) execFileSync('sh', ['-euc', command], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
	const variables = Object.fromEntries(readFileSync(join(folder, '.env'), 'utf8').trim().split('\n').map((line) => line.split('=') as [string, string]));
	return composeProject(t, world, readComposeServices(join(EXAMPLE, 'compose.yaml'), variables), folder);
}

async function isReady(project: Project, instance: Instance): Promise<void> {
	try {
		await eventually(`${instance} is ready`, async () => {
			const answer = await clientFor(project, instance).admin('GET', '/readyz').catch(() => undefined);
			return answer?.status === 200;
		});
	} catch (cause) {
		const logs = await Promise.all([instance, 'postgres'].map((service) => world.logs(project.container(service))));
		throw new Error(`${instance} does not become ready:\n${logs.map((log) => log.split('\n').slice(-10).join('\n')).join('\n')}`, { cause });
	}
}

async function bundleOf(project: Project, instance: Instance): Promise<Buffer> {
	return (await clientFor(project, instance).admin('GET', '/v1/roots')).body;
}

function clientFor(project: Project, instance: Instance, bundle: Buffer = Buffer.alloc(0)) {
	return clientOf({ port: project.port(instance), bundle, adminSocket: adminSocket(project, instance) });
}

const adminSocket = (project: Project, instance: Instance): string => join(project.volume(instance), 'ca/admin.sock');

/** `docker compose exec -T SERVICE birthmark … token` */
async function token(project: Project, instance: Instance, role: 'operator' | 'node', ...options: string[]): Promise<string> {
	const { code, stdout, stderr } = await world.exec(project.container(instance), ['birthmark', role, 'token', ...options]);
	if (code !== 0) throw new Error(`birthmark ${role} token: ${stderr}`);
	return stdout.trim();
}
