/**
 * A real Docker Swarm whose certificates this CA signs: `docker swarm ca --rotate --external-ca`, then a
 * worker that joins. On two engines of its own, because a swarm changes an engine for good.
 */

import test, { type ExecutionContext } from 'ava';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IdentityList } from '#common/protocol/messages.ts';
import { engineEnvironment } from '../../../scripts/engines.ts';
import { enginePaths, type EnginePaths } from '../../../scripts/paths.ts';
import { removeEngine, startEngine } from '../../../scripts/private-engine.ts';
import { Steps, type RunResult } from '../../../scripts/steps.ts';
import { startCa, temporaryFolder } from '../../support/ca.ts';
import { loopbackOf } from '../../support/swarm.ts';
import { eventually } from '../../support/world.ts';

/** Rotation takes seconds; the command would wait for ever for a CA that does not answer. */
const ROTATION_SECONDS = 300;

interface SwarmEngine {
	readonly paths: EnginePaths;
	/** leaf first */
	certificates(): X509Certificate[];
	docker(...args: string[]): Promise<RunResult>;
	/** the same; throws when it fails */
	output(...args: string[]): Promise<string>;
}

async function startSwarmEngine(t: ExecutionContext): Promise<SwarmEngine> {
	const folder = temporaryFolder(t);
	const steps = new Steps(join(folder, 'steps.log'));
	const paths = enginePaths(join(folder, 'engine'));
	t.teardown(() => removeEngine(steps, paths));
	await startEngine(steps, paths);
	const docker = (...args: string[]) => steps.run('timeout', [String(ROTATION_SECONDS), 'docker', '--host', paths.host, ...args], { env: engineEnvironment(), mayFail: true });
	const output = async (...args: string[]): Promise<string> => {
		const { code, stdout, stderr } = await docker(...args);
		if (code !== 0) throw new Error(`docker ${args[0]} ${args[1]} ended with ${code}: ${stderr}`);
		return stdout.trim();
	};
	// The swarm makes this network by itself, with a bridge whose name another engine on this machine may have taken.
	await output('network', 'create', '--opt', `com.docker.network.bridge.name=${paths.bridge}-gw`, '--opt', 'com.docker.network.bridge.enable_ip_masquerade=false', 'docker_gwbridge');
	return {
		paths,
		docker,
		output,
		certificates: () => readFileSync(join(paths.data, 'swarm/certificates/swarm-node.crt'), 'utf8').match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)!.map((pem) => new X509Certificate(pem)),
	};
}

test('a swarm\'s nodes get their certificates from this CA', async (t) => {
	const manager = await startSwarmEngine(t);
	const listens = loopbackOf(manager.paths);
	await manager.output('swarm', 'init', '--advertise-addr', listens, '--listen-addr', `${listens}:2377`, '--availability', 'drain');
	const [cluster, node] = (await manager.output('info', '--format', '{{.Swarm.Cluster.ID}} {{.Swarm.NodeID}}')).split(' ') as [string, string];
	const folder = temporaryFolder(t);
	const clientCaFile = join(folder, 'swarm-root.pem');
	writeFileSync(clientCaFile, (await manager.output('swarm', 'ca')) + '\n');
	t.is(manager.certificates()[0]!.issuer, 'CN=swarm-ca', 'at first the swarm is its own CA');

	const ca = await startCa(t, {
		config: {
			listen: { host: '127.0.0.1', port: 0, names: ['localhost'] },
			cfssl: { clients: [{ name: 'swarm', clientCaFile, organization: cluster, organizationalUnit: 'swarm-manager', allow: [`${'?'.repeat(25)}/swarm-*`, 'swarm-*/swarm-*'] }] },
		},
	});
	const issuer = join(folder, 'issuer.pem');
	writeFileSync(issuer, (await ca.request('POST', '/api/v1/cfssl/info', { body: { label: '' } })).json<{ result: { certificate: string } }>().result.certificate);
	const signing = new X509Certificate(readFileSync(issuer));
	const isOurs = (leaf: X509Certificate): boolean => leaf.checkIssued(signing) && leaf.verify(signing.publicKey);

	await manager.output('swarm', 'ca', '--rotate', '--quiet', '--ca-cert', issuer, '--external-ca', `protocol=cfssl,url=https://localhost:${ca.port}/api/v1/cfssl/sign,cacert=${issuer}`);
	const [leaf] = manager.certificates();
	t.true(isOurs(leaf!));
	t.is(leaf!.subject, `O=${cluster}\nOU=swarm-manager\nCN=${node}`);
	t.is((await manager.output('swarm', 'ca')).trim(), readFileSync(issuer, 'utf8').trim(), 'and this CA is all that the swarm trusts');

	const worker = await startSwarmEngine(t);
	const token = await manager.output('swarm', 'join-token', '--quiet', 'worker');
	const joins = loopbackOf(worker.paths);
	const joining = await worker.docker('swarm', 'join', '--token', token, '--advertise-addr', joins, '--listen-addr', `${joins}:2377`, `${listens}:2377`);
	// The engine waits for twenty seconds (moby, swarmConnectTimeout).
	t.true(joining.code === 0 || /will continue in the background/.test(joining.stderr), joining.stderr);
	await eventually('the worker has its certificate', async () => existsSync(join(worker.paths.data, 'swarm/certificates/swarm-node.crt')));
	const [joined] = worker.certificates();
	t.true(isOurs(joined!), 'the manager asked with the certificate that it had from here');
	t.regex(joined!.subject, new RegExp(`^O=${cluster}\nOU=swarm-worker\nCN=`));
	await eventually('both nodes are ready', async () => (await manager.output('node', 'ls', '--format', '{{.Status}}')).split('\n').every((status) => status === 'Ready'));
	const { identities } = (await ca.admin('GET', '/v1/identities')).json<IdentityList>();
	t.deepEqual([...new Set(identities.filter(({ organization }) => organization === cluster).map(({ organizationalUnit }) => organizationalUnit))].sort(), ['swarm-manager', 'swarm-worker']);
});
