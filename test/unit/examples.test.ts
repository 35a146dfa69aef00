/** The examples of the documentation do what they say, here with processes in the place of containers. */

import test from 'ava';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { readCaConfig } from '../../ca/config.ts';
import { parseIdentityLabels } from '../../plugin/authz/labels.ts';
import { freePort } from '../../scripts/ports.ts';
import { startCaProcess } from '../support/ca-process.ts';
import { temporaryFolder } from '../support/ca.ts';
import { newCommand } from '../support/command.ts';
import { readComposeServices } from '../support/compose.ts';
import { postgresFor } from '../support/stores.ts';

const EXAMPLES = fileURLToPath(new URL('../../docs/examples', import.meta.url));
const EXAMPLE = join(EXAMPLES, 'two-instances/compose.yaml');
/** Those with identities. */
const WITH_COMPOSE = readdirSync(EXAMPLES).filter((name) => name !== 'two-instances' && existsSync(join(EXAMPLES, name, 'compose.yaml')));
const postgres = postgresFor(test);

postgres.test('two instances: both start at once on an empty database, are one CA, and each serves when the other is stopped', async (t) => {
	t.timeout(120_000);
	const { postgres: database, ca1, ca2 } = readComposeServices(EXAMPLE, { POSTGRES_PASSWORD: 'a-password-of-the-test' });
	t.truthy(database);
	for (const { environment } of [ca1!, ca2!]) t.notThrows(() => readCaConfig('{}', environment));
	const folder = temporaryFolder(t);
	const key = join(folder, 'key-encryption.key');
	writeFileSync(key, randomBytes(32).toString('base64'));
	chmodSync(key, 0o400);
	const url = await (await postgres.server()).newDatabase();
	const start = async (name: string, service: typeof ca1) => {
		const { DATABASE_URL, BIRTHMARK_CA_KEY_ENCRYPTION_FILE, ...rest } = service!.environment;
		t.is(DATABASE_URL, 'postgresql://birthmark:a-password-of-the-test@postgres:5432/birthmark?sslmode=disable');
		t.true(service!.volumes.includes(`./key-encryption.key:${BIRTHMARK_CA_KEY_ENCRYPTION_FILE}:ro`));
		const environment = { ...rest, DATABASE_URL: url, BIRTHMARK_CA_KEY_ENCRYPTION_FILE: key, BIRTHMARK_CA_LISTEN_PORT: String(await freePort()) };
		return startCaProcess(t, join(folder, name), { environment });
	};
	const [first, second] = await Promise.all([start('ca1', ca1), start('ca2', ca2)]);
	t.deepEqual(first.ca.bundle, second.ca.bundle);

	const command = newCommand(t);
	const token = await first.ca.joinToken({ role: 'operator', name: 'alice' });
	const addresses = [first, second].map(({ ca }) => `https://127.0.0.1:${ca.port}`).join(',');
	const login = await command(['login', '--ca', addresses], { input: token });
	t.is(login.code, 0, login.stderr);
	const node = await second.ca.join('host1');
	await first.ca.enrol(node, 'web01', 'web');
	for (const stopped of [undefined, first]) {
		await stopped?.stop();
		const list = await command(['ls', '--json']);
		t.is(list.code, 0, list.stderr);
		t.true(list.stdout.includes('web01'));
	}
	await second.ca.enrol(node, 'web02', 'web');
});

for (const name of WITH_COMPOSE) {
	test(`${name}: the labels are legal, the files are there, and the README tells to renew what there is`, (t) => {
		const file = join(EXAMPLES, name, 'compose.yaml');
		const [, project] = /^name: (.+)$/m.exec(readFileSync(file, 'utf8'))!;
		const names = Object.entries(readComposeServices(file, {})).map(([service, { labels, runtime, volumes }]) => {
			t.is(runtime, 'birthmark');
			for (const source of volumes.map((volume) => volume.split(':')[0]!).filter((path) => path.startsWith('.'))) t.true(existsSync(join(EXAMPLES, name, source)), source);
			return parseIdentityLabels(new Map(Object.entries(labels)), { commonName: `${project}-${service}-1` })!.names.commonName;
		});
		const readme = readFileSync(join(EXAMPLES, name, 'README.md'), 'utf8');
		const renewed = [...readme.matchAll(/birthmark (?:rotate --cn|show) ([a-z0-9-]+)$/gm)].map(([, cn]) => cn!);
		t.true(renewed.length > 0);
		for (const cn of renewed) t.true(names.includes(cn), cn);
	});
}

test('the index of the examples has each of them', (t) => {
	const index = readFileSync(join(EXAMPLES, 'README.md'), 'utf8');
	for (const entry of readdirSync(EXAMPLES, { withFileTypes: true })) if (entry.isDirectory()) t.true(index.includes(`(${entry.name}/README.md)`), entry.name);
});
