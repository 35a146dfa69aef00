/** A test suite on an engine that knows nothing of Birthmark: one line sets it up, one takes everything away again. */

import test from 'ava';
import Docker from 'dockerode';
import { readFileSync } from 'node:fs';
import { GenericContainer, Wait } from 'testcontainers';
import { startBirthmark, withIdentity } from '../../../hook/testcontainers.ts';
import { startBareEngine } from '../../support/second-engine.ts';

const SERVICE = ['/usr/bin/node', '/app/service.mjs'];

test('CA, plugin and authorization chain for a suite in one line, and nothing of it afterwards', async (t) => {
	t.timeout(600_000);
	const { paths } = await startBareEngine(t, { own: ['ca', 'demo'] });
	// testcontainers looks at it when it is first used.
	process.env['DOCKER_HOST'] = paths.host;
	const docker = new Docker({ socketPath: paths.socket });
	const things = async (): Promise<object> => ({
		containers: (await docker.listContainers({ all: true })).map(({ Names }) => Names),
		volumes: (await docker.listVolumes()).Volumes?.map(({ Name }) => Name) ?? [],
		chain: (JSON.parse(readFileSync(paths.daemonJson, 'utf8')) as object & { 'authorization-plugins'?: unknown })['authorization-plugins'],
		plugin: await docker.getPlugin('birthmark', 'birthmark').inspect().then(({ Enabled, Settings }: { Enabled: boolean; Settings: object }) => ({ Enabled, Settings })),
	});
	const before = await things();
	for (const name of ['api01', 'api02']) {
		await using birthmark = await startBirthmark({ allow: ['api*/api'] });
		t.false(birthmark.wasThere);
		t.true((await startBirthmark()).wasThere);
		const description = new GenericContainer('birthmark/demo').withCommand([...SERVICE, 'server']).withWaitStrategy(Wait.forLogMessage(/listening/));
		const container = await withIdentity(description, { cn: name }).start();
		const { identities } = JSON.parse(await birthmark.birthmark('ls', '--json')) as { identities: { commonName: string; organizationalUnit: string }[] };
		t.like(identities, [{ commonName: name, organizationalUnit: 'api' }]);
		const refusal = await t.throwsAsync(withIdentity(new GenericContainer('birthmark/demo'), { cn: 'db01' }).start());
		t.regex(refusal.message, /name-not-allowed/);
		await container.stop();
	}
	t.deepEqual(await things(), before);
});
