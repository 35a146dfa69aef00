/** `docker compose up --scale`: as many identities as containers, each under the container's name, all of one role. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import tmp from 'tmp';
import type { Identity } from '#common/protocol/messages.ts';
import { readComposeServices } from '../../support/compose.ts';
import { composeProject } from '../../support/compose-engine.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const RULE = 'compose*/web-api';
/** What a user writes: the label, and nothing that is different in each of them. */
const FILE = `services:
  web-api:
    image: test/busybox
    runtime: birthmark
    command:
      - sleep
      - "600"
    labels:
      birthmark.cn: auto
`;

test.before('the node may have these names', async (t) => {
	t.is((await world.birthmark(['node', 'allow', 'test-host', RULE])).code, 0);
});
test.after.always('as before', () => world.birthmark(['node', 'disallow', 'test-host', RULE]));

test('three containers of one service have three names of one role, and one that is made anew keeps its own', async (t) => {
	const folder = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => folder.removeCallback());
	writeFileSync(join(folder.name, 'compose.yaml'), FILE);
	const project = await composeProject(t, world, readComposeServices(join(folder.name, 'compose.yaml'), {}), folder.name);
	const names = async (...numbers: number[]): Promise<string[]> => Promise.all(numbers.map(async (number) => (await project.container('web-api', number).inspect()).Name.slice(1)));
	const live = (wanted: readonly string[], which: (identity: Identity) => boolean = () => true) => eventually(`${wanted.length} are live`, async () => {
		const identities = (await world.identities()).filter(({ commonName, containerName }) => wanted.includes(commonName) || wanted.includes(containerName ?? ''));
		return identities.length === wanted.length && identities.every(which) && identities;
	});

	await project.up();
	await project.up({ 'web-api': 3 });
	const all = await names(1, 2, 3);
	const three = await live(all);
	t.deepEqual(three.map(({ commonName }) => commonName).sort(), all);
	t.deepEqual([...new Set(three.map(({ organizationalUnit }) => organizationalUnit))], ['web-api']);
	t.is(new Set(three.map(({ serial }) => serial)).size, 3);

	const before = three.find(({ commonName }) => commonName === all[1])!;
	await project.recreate('web-api', 2, { Env: ['CHANGED=yes'] });
	t.deepEqual(await names(2), [all[1]]);
	const after = (await live(all, ({ serial }) => serial !== before.serial)).find(({ commonName }) => commonName === all[1])!;
	t.is(after.containerId, project.container('web-api', 2).id);
	t.is(after.organizationalUnit, 'web-api');
});

test('a container without a name of its own, or with one that is not allowed, is refused in a sentence', async (t) => {
	const run = (...options: string[]) => world.cli(['create', '--runtime', 'birthmark', '--label', 'birthmark.cn=auto', ...options, 'test/busybox', 'true']);
	const nameless = await run();
	t.not(nameless.code, 0);
	t.regex(nameless.stderr, /birthmark\.cn=auto takes the name of the container.*--name NAME \[label-missing\]/);
	const foreign = await run('--name', world.name('strange'));
	t.regex(foreign.stderr, /no rule allows the name "strange.*\[name-not-allowed\]/);
	const claimed = await run('--name', world.name('strange'), '--label', 'com.docker.compose.project=compose', '--label', 'com.docker.compose.service=web-api', '--label', 'com.docker.compose.container-number=1');
	t.regex(claimed.stderr, /no rule allows the name "strange[0-9a-f]+" with role "strange[^"]*".*\[name-not-allowed\]/, 'labels that the name does not bear out say nothing');
});

test('a container that is renamed keeps the identity that it was created with', async (t) => {
	const name = world.name('web');
	const container = await world.plain(t, { name, Image: 'test/busybox', Cmd: ['sleep', '600'], Labels: { 'birthmark.cn': 'auto', 'birthmark.ou': 'web' }, HostConfig: { Runtime: 'birthmark' } });
	await container.rename({ name: `${name}-old` });
	await container.start();
	const identity = await eventually('it is live', () => world.identity(name));
	t.is(identity.containerId, container.id);
	const successor = await world.plain(t, { name, Image: 'test/busybox', Cmd: ['sleep', '600'], Labels: { 'birthmark.cn': 'auto', 'birthmark.ou': 'web' }, HostConfig: { Runtime: 'birthmark' } });
	await successor.start();
	const both = await eventually('the one that took the name is live as well', async () => {
		const found = (await world.identities()).filter(({ commonName }) => commonName === name);
		return found.length === 2 && found;
	});
	t.deepEqual(both.map(({ containerId }) => containerId).sort(), [container.id, successor.id].sort());
});
