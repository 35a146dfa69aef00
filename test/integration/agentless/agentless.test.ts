/** A container that runs nothing of ours: the node makes its identity before it starts, renews it, and lets it die with the container. */

import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { RUNTIME } from '../../../scripts/engine-runtime.ts';
import { commandLine, processes } from '../../../scripts/processes.ts';
import { crashPlugin } from '../../support/plugin-crash.ts';
import { DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
/** Of this process alone, so that its agents are known by it. */
const USER = 20_000 + process.pid % 10_000;
const READS_ITS_FILES = `/busybox ls -a ${DIRECTORY}; /busybox cat ${DIRECTORY}/tls.crt; exec /busybox sleep 600`;
const SCRATCH = { Image: 'test/scratch', Entrypoint: ['/busybox', 'sh', '-c'], Cmd: [READS_ITS_FILES], User: `${USER}:${USER}`, HostConfig: { NetworkMode: 'none', ReadonlyRootfs: true, CapDrop: ['ALL'] } };

/** The agents that the node runs for containers of this user. */
function agents(user = USER): number[] {
	return processes().filter((pid) => commandLine(pid).join(' ').includes(`keep --as ${user}:${user} `));
}

test.serial('a static program from scratch, without network, finds its identity when it starts; it is renewed, also after a crash of the plugin, and dies with it', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', lifetimeSeconds: 20, agentMode: 'node' }, SCRATCH);
	const log = await eventually('it has read its files', async () => {
		const text = await world.logs(container);
		return text.includes('END CERTIFICATE') && text;
	});
	t.deepEqual(log.slice(0, log.indexOf('-----BEGIN')).split('\n').filter((line) => /^[a-z]/.test(line)), ['agent.json', 'ca.crt', 'ca.sock', 'crl.pem', 'current', 'identity.pem', 'tls.crt', 'tls.key']);
	t.is(((await container.top()) as { Processes: unknown[] }).Processes.length, 1, 'nothing else runs in the container');
	const read = (file: string) => world.exec(container, ['/busybox', 'cat', `${DIRECTORY}/${file}`]);
	const key = (await read('tls.key')).stdout;
	t.regex(key, /PRIVATE KEY/, 'it belongs to the user of the container');
	const [agent] = agents();
	t.truthy(agent);
	t.regex(readFileSync(`/proc/${agent}/status`, 'utf8'), /^CapEff:\s+0{16}$/m, 'the node runs it as the container\'s user, without powers');

	const renewed = (count: number) => eventually(`it was renewed ${count} times`, async () => {
		const identity = await world.identity(name);
		return (identity?.renewals ?? 0) >= count && identity;
	});
	await renewed(1);
	t.not((await read('tls.key')).stdout, key);

	const { renewals } = await renewed(1);
	await crashPlugin(world);
	await eventually('another agent goes on', async () => agents().length === 1 && agents()[0] !== agent);
	const { serial } = await renewed(renewals + 1);

	await container.stop({ t: 1 });
	t.truthy(await eventually('it is revoked', async () => (await world.identities(true)).find((identity) => identity.serial === serial && identity.status === 'revoked')));
	await eventually('its agent has ended', async () => agents().length === 0);
});

test.serial('of a container whose user is root the agent is root without a capability, in none of its threads', async (t) => {
	const before = agents(0);
	await world.start(t, { commonName: world.name(), organizationalUnit: 'web-api', agentMode: 'node' }, { ...SCRATCH, User: '' });
	const [agent] = agents(0).filter((pid) => !before.includes(pid));
	t.truthy(agent);
	for (const thread of readdirSync(`/proc/${agent}/task`)) {
		const status = readFileSync(`/proc/${agent}/task/${thread}/status`, 'utf8');
		t.deepEqual([...status.matchAll(/^Cap(?:Inh|Prm|Eff|Bnd|Amb):\t(.*)$/gm)].map(([, set]) => set), Array.from({ length: 5 }, () => '0'.repeat(16)));
		t.regex(status, /^NoNewPrivs:\t1$/m);
	}
});

test.serial('by the label alone, without a mount, it is the same', async (t) => {
	const name = world.name();
	const labels = { 'birthmark.cn': name, 'birthmark.ou': 'web-api', 'birthmark.agent': 'node' };
	const container = await world.plain(t, { ...SCRATCH, Labels: labels, HostConfig: { ...SCRATCH.HostConfig, Runtime: RUNTIME } });
	await container.start();
	const log = await eventually('it has read its files', async () => {
		const text = await world.logs(container);
		return text.includes('END CERTIFICATE') && text;
	});
	t.notRegex(log, /^bin$/m);
	t.is(((await container.top()) as { Processes: unknown[] }).Processes.length, 1);
	t.is((await world.birthmark(['rotate', '--cn', name, '--timeout', '120'])).code, 0);
	const { serial } = (await world.identity(name))!;
	await container.stop({ t: 1 });
	t.truthy(await eventually('it is revoked', async () => (await world.identities(true)).find((identity) => identity.serial === serial && identity.status === 'revoked')));
	await eventually('its agent has ended', async () => agents().length === 0);
});

test.serial('an agent of the node that is killed is started again, and the container notices nothing', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', agentMode: 'node' }, SCRATCH);
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	const [agent] = agents();
	process.kill(agent!, 'SIGKILL');
	t.is((await world.birthmark(['rotate', '--cn', name, '--timeout', '120'])).code, 0, 'the next one finds what was demanded');
	t.true(agents().some((pid) => pid !== agent));
	t.not((await world.identity(name))?.serial, serial);
	t.true((await container.inspect()).State.Running);
});

test.serial('a container that names a way for itself to reach the CA, or a reload, is told that the node is its agent', async (t) => {
	for (const [label, remedy] of [['birthmark.ca=network', /it is the node that reaches the CA/], ['birthmark.reload=signal:HUP', /nothing of ours runs in the container/]] as const) {
		const refused = await world.cli(['create', '--label', `birthmark.cn=${world.name()}`, '--label', 'birthmark.agent=node', '--label', label, '--mount', 'type=volume,volume-driver=birthmark,dst=/run/birthmark', 'test/busybox', 'true']);
		t.not(refused.code, 0);
		t.regex(refused.stderr, /\[label-illegal\]/);
		t.regex(refused.stderr, remedy);
	}
});
