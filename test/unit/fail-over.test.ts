/**
 * Two instances of one CA on one PostgreSQL server, and no proxy: agent, plugin and command each have
 * both addresses, one instance goes, and everything goes on.
 */

import test, { type ExecutionContext } from 'ava';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { createFailOver } from '#common/runtime/fail-over.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { createCaClient as createAgentClient } from '../../agent/ca-client.ts';
import { enrol } from '../../agent/enrol.ts';
import { generateKey } from '../../agent/key.ts';
import { renew } from '../../agent/renew.ts';
import { systemSleep } from '../../agent/sleep.ts';
import { readIdentity } from '../../agent/store.ts';
import { createCaClient as createPluginClient } from '../../plugin/ca-client.ts';
import { joinCa } from '../../plugin/join.ts';
import { createNodeIdentityStore } from '../../plugin/node-identity.ts';
import { openRelay } from '../../plugin/volume/relay.ts';
import { createRelayPool } from '../../plugin/volume/relay-pool.ts';
import { tmpfsDirectory } from '../fakes/tmpfs.ts';
import { newContainerId, startBeside, startCa, temporaryFolder, type TestCa } from '../support/ca.ts';
import { newCommand } from '../support/command.ts';
import { postgresFor } from '../support/stores.ts';

const postgres = postgresFor(test);
/** Of a server with a leaf and an intermediate, TLS 1.3; the chain in the answer is as long again. */
const HANDSHAKE_BYTES = 3500;
const never = new AbortController().signal;

/** Both instances, and a node that joined with both addresses. */
async function world(t: ExecutionContext) {
	const ca = await startCa(t, { config: { database: { url: await (await postgres.server()).newDatabase() } } });
	const other = await startBeside(t, ca);
	const instances = createFailOver([ca.url, other.url]);
	const store = createNodeIdentityStore(temporaryFolder(t));
	await joinCa(store, instances, await ca.joinToken({ role: 'node', allow: ['*/*'] }), 'host1');
	const plugin = createPluginClient({ instances, credentials: store.current, clock: systemClock });
	t.teardown(() => plugin.close());
	/** a container as the plugin prepares it, with a token in its directory */
	const container = async () => {
		const { id } = await plugin.authorize({ commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [], image: 'app:1', containerId: newContainerId() });
		const directory = tmpfsDirectory(t);
		const tokenPath = join(directory, 'token');
		writeFileSync(tokenPath, (await plugin.mintToken(id!, { startId: 'start' })).token);
		return { directory, tokenPath };
	};
	return { ca, other, instances, plugin, container };
}

const addressOf = ({ port }: TestCa) => ({ host: '127.0.0.1', port });

function agentDeps(ca: ReturnType<typeof createAgentClient>) {
	return { ca, clock: systemClock, random: Math.random, sleep: systemSleep, logger: silentLogger };
}

postgres.test('when one instance goes, containers are authorized, enrol and renew at the other', async (t) => {
	const { ca, other, plugin, container } = await world(t);
	const deps = agentDeps(createAgentClient([addressOf(ca), addressOf(other)]));
	const before = await container();
	await enrol({ ...before, timeoutSeconds: 60, signal: never }, deps);
	await ca.close();
	t.not((await renew(before.directory, never, deps)).leaf.serial, undefined);
	const after = await container();
	const { leaf } = await enrol({ ...after, timeoutSeconds: 60, signal: never }, deps);
	t.is(leaf.spiffeId, 'spiffe://birthmark.internal/production/web-api/api01');
	t.is(plugin.isReachable(), true);
});

postgres.test('through the relay as well, which follows where the plugin was answered', async (t) => {
	const { ca, other, instances, container } = await world(t);
	const addresses = new Map([ca, other].map((instance) => [instance.url, addressOf(instance)]));
	const relayed = await container();
	const relay = await openRelay({ targets: () => instances.order().map((url) => addresses.get(url)!), pool: createRelayPool(), logger: silentLogger }, relayed.directory);
	t.teardown(() => relay.close());
	await ca.close();
	const deps = agentDeps(createAgentClient([{ socketPath: join(relayed.directory, 'ca.sock') }]));
	await enrol({ ...relayed, timeoutSeconds: 60, signal: never }, deps);
	await renew(relayed.directory, never, deps);
	t.truthy(readIdentity(relayed.directory));
});

postgres.test('an answer that is lost is asked for again at the other instance, which gives the same certificate', async (t) => {
	const { ca, other, container } = await world(t);
	const { directory, tokenPath } = await container();
	// Takes the request whole to the one instance, and cuts the connection when the answer comes.
	let cut = false;
	const lossy = await proxy(t, ca.port, ({ client, upstream, count }) => {
		let bytes = 0;
		upstream.on('data', (chunk: Buffer) => {
			bytes += chunk.length;
			// Everything of the handshake is less: this is the answer itself.
			if (count === 2 && bytes > HANDSHAKE_BYTES) cut = client.destroy().destroyed;
			else client.write(chunk);
		});
	});
	const deps = agentDeps(createAgentClient([lossy, addressOf(other)]));
	const identity = await enrol({ directory, tokenPath, timeoutSeconds: 60, signal: never }, deps);
	t.true(cut);
	const { identities } = (await ca.admin('GET', '/v1/identities/api01?all=1')).json<{ identities: Array<{ serial: string }> }>();
	t.deepEqual(identities.map(({ serial }) => serial), [identity.leaf.serial]);

	const { key, csr } = generateKey();
	t.truthy(key);
	const credentials = { key: identity.key, chain: identity.chain };
	const [one, two] = [createAgentClient([addressOf(ca)]), createAgentClient([addressOf(other)])];
	t.is((await one.renew(identity.bundle, credentials, csr, never)).chain, (await two.renew(identity.bundle, credentials, csr, never)).chain);
});

postgres.test('an operator logs in with both addresses and works on when one is gone', async (t) => {
	const { ca, other } = await world(t);
	const birthmark = newCommand(t);
	const { code, stderr } = await birthmark(['login', '--ca', `${ca.url},${other.url}`], { input: await ca.joinToken({ role: 'operator', name: 'alice' }) });
	t.is(code, 0, stderr);
	await ca.close();
	t.regex((await birthmark(['node', 'ls'])).stdout, /^host1 /m);
	t.is((await birthmark(['node', 'allow', 'host1', 'job*/batch'])).code, 0);
	await other.close();
	t.is((await birthmark(['node', 'ls'])).code, 4);
});

interface Passing {
	readonly client: Socket;
	readonly upstream: Socket;
	/** of this connection, from 1 */
	readonly count: number;
}

/** A proxy of bytes that a test can spoil. */
async function proxy(t: ExecutionContext, port: number, spoil: (passing: Passing) => void) {
	let count = 0;
	const server = createServer((client) => {
		const upstream = connect(port, '127.0.0.1');
		for (const [from, to] of [[client, upstream], [upstream, client]] as const) from.on('error', () => to.destroy()).on('close', () => to.destroy());
		client.pipe(upstream);
		spoil({ client, upstream, count: ++count });
	});
	t.teardown(() => server.close());
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}
