/**
 * Two instances of one CA on one PostgreSQL server, a plugin that has both addresses, nothing in
 * between: whichever instance is killed, containers are born, renew and die as before.
 */

import test, { type ExecutionContext } from 'ava';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { startCaProcess, type CaProcess } from '../../support/ca-process.ts';
import { temporaryFolder } from '../../support/ca.ts';
import { startSecondEngine } from '../../support/second-engine.ts';
import { postgresFor } from '../../support/stores.ts';
import { eventually, type World } from '../../support/world.ts';
import { freePort } from '../../../scripts/ports.ts';

const postgres = postgresFor(test);
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };

interface Instance {
	readonly url: string;
	/** starts it, on the same port again */
	start(): Promise<CaProcess>;
}

async function instance(t: ExecutionContext, state: string, database: string): Promise<Instance> {
	const port = await freePort();
	const environment = { DATABASE_URL: database, BIRTHMARK_CA_LISTEN_PORT: String(port), BIRTHMARK_CA_TRUST_DOMAIN: 'test.internal' };
	return { url: `https://127.0.0.1:${port}`, start: () => startCaProcess(t, state, { environment }) };
}

postgres.test('containers are born, renew and die whichever instance is killed', async (t) => {
	t.timeout(600_000);
	const database = await (await postgres.server()).newDatabase();
	const [one, other] = [join(temporaryFolder(t), 'one'), join(temporaryFolder(t), 'other')];
	const instances = [await instance(t, one, database), await instance(t, other, database)] as const;
	const first = await instances[0].start();
	cpSync(one, other, { recursive: true, filter: (path) => !/\/(admin\.sock|serve\.lock.*)$/.test(path) });
	const second = await instances[1].start();
	const joinToken = await first.ca.joinToken({ role: 'node', name: 'host1', allow: ['api*/web-api'] });
	const engine = await startSecondEngine(t, { caUrl: instances.map(({ url }) => url).join(','), joinToken, adminSocket: second.ca.adminSocket });
	const old = engine.name();
	await engine.start(t, { commonName: old, organizationalUnit: 'web-api', lifetimeSeconds: 20 }, SLEEP);
	await live(engine, old);

	await first.kill();
	const born = await birth(t, engine);
	const renewals = (await engine.identity(old))?.renewals ?? 0;
	await eventually('the old one renews at the other instance', async () => ((await engine.identity(old))?.renewals ?? 0) > renewals);
	await engine.docker.getContainer(born.id).stop({ t: 1 });
	await eventually('the end of the new one is told', async () => (await engine.identities(true)).some(({ commonName, status }) => commonName === born.name && status === 'revoked'));

	await instances[0].start();
	await second.kill();
	// The command of this world speaks to the second instance: the first is asked as the plugin does.
	const again = engine.name();
	await engine.start(t, { commonName: again, organizationalUnit: 'web-api' }, SLEEP);
	const back = await instances[1].start();
	t.is(back.ca.adminSocket, second.ca.adminSocket);
	await live(engine, again);
});

async function birth(t: ExecutionContext, engine: World) {
	const name = engine.name();
	const container = await engine.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	await live(engine, name);
	return { name, id: container.id };
}

async function live(engine: World, name: string): Promise<void> {
	await eventually(`${name} is live`, () => engine.identity(name));
}
