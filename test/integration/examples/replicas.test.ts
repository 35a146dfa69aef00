/**
 * docs/examples/scale and docs/examples/swarm: one description, several containers, each with a name and a key
 * of its own. The stack is deployed by `docker stack deploy` from the file of the documentation; that nginx
 * serves the identities of its tasks is what their agents have seen, without the network between tasks.
 */

import test, { type ExecutionContext } from 'ava';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type Docker from 'dockerode';
import type { Identity } from '#common/protocol/messages.ts';
import { RUNTIME } from '../../../scripts/engine-runtime.ts';
import { dockerCommand } from '../../../scripts/images.ts';
import { BUILD } from '../../../scripts/paths.ts';
import { Steps } from '../../../scripts/steps.ts';
import { readComposeServices } from '../../support/compose.ts';
import { composeProject } from '../../support/compose-engine.ts';
import { addRules } from '../../support/policy.ts';
import { ourRuntime, useRuntimes, usualRuntimes } from '../../support/runtimes.ts';
import { buildServerImages } from '../../support/server-images.ts';
import { docker, leaveSwarm, makeSwarm } from '../../support/swarm.ts';
import { DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const EXAMPLES = fileURLToPath(new URL('../../../docs/examples', import.meta.url));
const RULES = ['app/app', 'api/api', 'compose*-api-*/api', 'stack*-api-*/api'];
const MAY_LOOK = '@id("replicas-look") permit (principal, action == Action::"exec", resource) when { resource.ou == "app" };';
const SECONDS = 120;
const NUMBERS = [1, 2, 3];

test.before('the image, and names for the replicas', async () => {
	const steps = new Steps(join(BUILD, 'logs/examples.log'));
	await buildServerImages(steps, dockerCommand(steps, world.host));
	await world.birthmark(['node', 'allow', 'test-host', ...RULES]);
});
test.after.always('the names are nobody\'s again', () => world.birthmark(['node', 'disallow', 'test-host', ...RULES]));

test('docker compose up --scale: three identities of one role, each of which the caller meets', async (t) => {
	t.timeout(600_000);
	const folder = join(EXAMPLES, 'scale');
	const project = await composeProject(t, world, readComposeServices(join(folder, 'compose.yaml'), {}), folder);
	await project.up({ api: NUMBERS.length });
	const containers = NUMBERS.map((number) => project.container('api', number));
	const names = await Promise.all(containers.map(async (container) => (await container.inspect()).Name.slice(1)));
	await live(t, names);
	await meetsEach(t, project.container('app'), containers, names);
	await eventually('the example\'s own caller has met one', async () => {
		const [, name] = /^Subject:O = test, OU = api, CN = (\S+)$/m.exec(await world.logs(project.container('app'))) ?? [];
		return name !== undefined && names.includes(name);
	}, SECONDS);
});

test('docker stack deploy: a task has an identity of its own, which is renewed or replaced alone', async (t) => {
	t.timeout(600_000);
	t.teardown(() => useRuntimes(world, usualRuntimes(world)));
	await useRuntimes(world, { runtimes: { [RUNTIME]: { path: ourRuntime(world) } }, 'default-runtime': RUNTIME });
	t.teardown(() => leaveSwarm(world));
	await makeSwarm(world);
	const stack = world.name('stack');
	await docker(world, 'stack', 'deploy', '--resolve-image', 'never', '--compose-file', join(EXAMPLES, 'swarm/stack.yaml'), stack);
	const names = NUMBERS.map((number) => `${stack}-api-${number}`);
	await live(t, names);
	const before = await served(names);
	await eventually('the caller has an identity', () => world.identity('app'), SECONDS);

	const rotated = await world.birthmark(['rotate', '--cn', names[1]!, '--timeout', '120']);
	t.is(rotated.code, 0, rotated.stderr);
	await world.docker.getContainer(before.find(({ commonName }) => commonName === names[2])!.containerId!).kill();
	const after = await served(names, (now) => serialOf(now, names[2]!) !== serialOf(before, names[2]!));
	t.deepEqual(names.map((name) => serialOf(before, name) !== serialOf(after, name)), [false, true, true], 'two have others, one has what it had');
	await docker(world, 'stack', 'rm', stack);
	await eventually('nobody has an identity any more', async () => !(await world.identities()).some(({ commonName }) => names.includes(commonName) || commonName === 'app'), SECONDS);
});

const serialOf = (identities: readonly Identity[], name: string): string | undefined => identities.find(({ commonName }) => commonName === name)?.serial;

/** Each has an identity, and its agent was shown it by nginx. */
function served(names: readonly string[], which: (identities: readonly Identity[]) => boolean = () => true): Promise<readonly Identity[]> {
	return eventually('each serves its certificate', async () => {
		const found = (await world.identities()).filter(({ commonName }) => names.includes(commonName));
		return found.length === names.length && found.every(({ serial, reload }) => reload?.verifiedSerial === serial) && which(found) && found;
	}, SECONDS);
}

async function live(t: ExecutionContext, names: readonly string[]): Promise<readonly Identity[]> {
	const identities = await eventually('each has an identity', async () => {
		const found = (await world.identities()).filter(({ commonName }) => names.includes(commonName));
		return found.length === names.length && found;
	}, SECONDS);
	t.deepEqual([...new Set(identities.map(({ organizationalUnit }) => organizationalUnit))], ['api']);
	t.is(new Set(identities.map(({ serial }) => serial)).size, names.length);
	return identities;
}

/** The caller connects to each of the containers by the name of the service, and is shown that one's own name. */
async function meetsEach(t: ExecutionContext, caller: Docker.Container, containers: readonly Docker.Container[], names: readonly string[]): Promise<void> {
	const withdraw = addRules(t, world, MAY_LOOK);
	const own = ['--cacert', `${DIRECTORY}/ca.crt`, '--cert', `${DIRECTORY}/identity.pem`];
	for (const [index, container] of containers.entries()) {
		const { Id } = await container.inspect();
		const stdout = await eventually(`${names[index]} answers`, async () => {
			const ran = await world.exec(caller, ['curl', '--silent', ...own, '--connect-to', `api:8443:${Id.slice(0, 12)}:8443`, '--write-out', '%{certs}', 'https://api:8443/']);
			return ran.code === 0 && ran.stdout;
		}, SECONDS);
		t.true(stdout.startsWith('hello CN=app,OU=app,O=test\n'));
		t.is(/^Subject:.*CN = (\S+)$/m.exec(stdout)?.[1], names[index]);
	}
	withdraw();
}
