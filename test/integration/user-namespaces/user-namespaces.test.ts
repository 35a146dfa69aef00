/** An engine whose containers are in a user namespace (`userns-remap`): their users have other ids on the host. */

import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { provision, type ContainerIdentity, type ProvisionSettings } from '../../../hook/provision.ts';
import { RUNTIME } from '../../../scripts/engine-runtime.ts';
import { allRevoked } from '../../support/by-label.ts';
import { startCaProcess } from '../../support/ca-process.ts';
import { temporaryFolder } from '../../support/ca.ts';
import { startSecondEngine } from '../../support/second-engine.ts';
import { prepareRemappedEngine, REMAPPED } from '../../support/user-namespaces.ts';
import { DIRECTORY, eventually, type World } from '../../support/world.ts';

interface Owner {
	readonly uid: number;
	readonly gid: number;
}

interface Case {
	/** as on the command line; that of the image when empty */
	readonly user: string;
	readonly identity?: Partial<ContainerIdentity>;
	readonly usernsMode?: 'host';
	/** whose the files are, in the container */
	readonly owner: Owner;
	/** the directory, where it is not the same owner's with mode 0700 */
	readonly directory?: Owner & { readonly mode: number };
}

/** The image says `USER app`. */
const CASES: Readonly<Record<string, Case>> = {
	'a numeric user': { user: '4242:4343', owner: { uid: 4242, gid: 4343 } },
	'root': { user: '0:0', owner: { uid: 0, gid: 0 } },
	'a user whom the image names': { user: '', owner: { uid: 1234, gid: 1235 } },
	'root, files for another user': { user: '0:0', identity: { uid: 4242, gid: 77 }, owner: { uid: 4242, gid: 77 }, directory: { uid: 0, gid: 77, mode: 0o750 } },
	'a numeric user, the agent is the node\'s': { user: '4242:4343', identity: { agentMode: 'node' }, owner: { uid: 4242, gid: 4343 } },
	'a user outside of the namespace': { user: '4242:4343', usernsMode: 'host', owner: { uid: 4242, gid: 4343 } },
};
const DELIVERIES: Readonly<Record<string, ProvisionSettings>> = { 'by its volume': {}, 'by its label alone': { runtime: RUNTIME } };
const FILES = { 'identity.pem': 0o600, 'tls.key': 0o600, 'tls.crt': 0o644 };
const IMAGE = 'test/with-user';
const READS_ITS_KEY = { Entrypoint: ['sh', '-c'], Cmd: [`head -n 1 ${DIRECTORY}/tls.key; exec sleep 600`] };

async function startEngine(t: ExecutionContext): Promise<World> {
	const { ca } = await startCaProcess(t, join(temporaryFolder(t), 'ca'), { environment: { BIRTHMARK_CA_TRUST_DOMAIN: 'test.internal' } });
	const joinToken = await ca.joinToken({ role: 'node', name: 'host1', allow: ['api*/web-api'] });
	const engine = await startSecondEngine(t, { caUrl: `https://127.0.0.1:${ca.port}`, joinToken, adminSocket: ca.adminSocket, prepare: prepareRemappedEngine });
	const built = await engine.cli(['build', '--quiet', '--tag', IMAGE, '-'], 'FROM test/busybox\nRUN mkdir -p /etc && echo "app:x:1234:1235::/:/bin/sh" > /etc/passwd\nUSER app\n');
	t.is(built.code, 0, built.stderr);
	return engine;
}

/** Could somebody on the host read the key, if he came as far as to its directory? */
function canReadKey(directory: string, who: Owner): boolean {
	const descriptor = openSync(directory, 'r');
	try {
		return spawnSync('cat', ['/proc/self/fd/3/tls.key'], { ...who, stdio: ['ignore', 'ignore', 'ignore', descriptor] }).status === 0;
	} finally {
		closeSync(descriptor);
	}
}

/** One container, from its birth to its end. */
async function live(t: ExecutionContext, engine: World, what: string, settings: ProvisionSettings, { user, identity, usernsMode, owner, directory = { ...owner, mode: 0o700 } }: Case): Promise<void> {
	const onHost = ({ uid, gid }: Owner): Owner => (usernsMode === 'host' ? { uid, gid } : { uid: REMAPPED.uid + uid, gid: REMAPPED.gid + gid });
	const commonName = engine.name();
	const options = { name: commonName, Image: IMAGE, ...READS_ITS_KEY, User: user, ...(usernsMode && { HostConfig: { UsernsMode: usernsMode } }) };
	const container = await engine.plain(t, await provision(engine.docker, options, { commonName, organizationalUnit: 'web-api', ...identity }, settings));
	await container.start();
	const { serial } = await eventually(`${what}: the identity is live`, async () => (await engine.identities()).find((each) => each.commonName === commonName));
	const { State: { Pid }, Mounts } = await container.inspect();
	const place = `/proc/${Pid}/root${DIRECTORY}`;
	const read = async (file: string): Promise<string> => (await engine.exec(container, ['cat', `${DIRECTORY}/${file}`])).stdout;
	const serialThere = async (): Promise<string> => new X509Certificate(await read('tls.crt')).serialNumber.toLowerCase();
	const ownersAreRight = async (): Promise<void> => {
		const { stdout } = await engine.exec(container, ['stat', '-L', '-c', '%u:%g %a', ...['', ...Object.keys(FILES)].map((file) => `${DIRECTORY}/${file}`)]);
		const expected = [directory, ...Object.values(FILES).map((mode) => ({ ...owner, mode }))];
		t.is(stdout, expected.map(({ uid, gid, mode }) => `${uid}:${gid} ${mode.toString(8)}\n`).join(''), `${what}: seen in the container`);
		t.like(statSync(place), onHost(directory), `${what}: the directory, seen on the host`);
		for (const file of Object.keys(FILES)) t.like(statSync(join(place, file)), onHost(owner), `${what}: ${file}, seen on the host`);
	};

	const idsOf = (process: number | 'self'): string => readFileSync(`/proc/${process}/uid_map`, 'utf8').trim().replace(/ +/g, ' ');
	t.is(idsOf(Pid), usernsMode === 'host' ? idsOf('self') : `0 ${REMAPPED.uid} ${REMAPPED.count}`, what);
	// The CA knows of the identity before the application has started.
	const said = await eventually(`${what}: the application says what it read`, async () => (await engine.logs(container, { stdout: true })) || undefined);
	t.regex(said, /^-----BEGIN (?:EC )?PRIVATE KEY-----\n$/, what);
	t.is(await serialThere(), serial.toLowerCase(), `${what}: it is its own`);
	await ownersAreRight();

	t.regex((await engine.exec(container, ['cat', `${DIRECTORY}/tls.crt`], { user: '4244:4545' })).stderr, /Permission denied/, `${what}: another user of the container`);
	t.true(canReadKey(place, onHost(owner)), `${what}: whose it is`);
	t.false(canReadKey(place, onHost({ uid: 4244, gid: 4545 })), `${what}: the user of another container`);
	if (usernsMode !== 'host' && owner.uid !== 0) t.false(canReadKey(place, owner), `${what}: who has that number on the host itself`);
	for (const way of [['--volumes-from', container.id], ...Mounts.map(({ Name }) => ['--volume', `${Name}:/stolen`])]) {
		t.regex((await engine.cli(['create', ...way, 'test/busybox'])).stderr, /\[identity-isolated\]/, `${what}: ${way.join(' ')}`);
	}

	const key = await read('tls.key');
	const rotated = await engine.birthmark(['rotate', '--cn', commonName, '--timeout', '120']);
	t.is(rotated.code, 0, `${what}: ${rotated.stderr}`);
	// The CA has issued it before the agent has written it.
	await eventually(`${what}: the new one is there`, async () => (await serialThere()) !== serial.toLowerCase());
	t.not(await read('tls.key'), key);
	await ownersAreRight();

	await container.stop({ t: 1 });
	await allRevoked(engine, commonName);
}

test('on an engine with user namespaces the identity of each container is its own user\'s, in it and on the host', async (t) => {
	t.timeout(600_000);
	const engine = await startEngine(t);
	const { SecurityOptions } = (await engine.docker.info()) as { SecurityOptions: readonly string[] };
	t.true(SecurityOptions.includes('name=userns'));
	const lives = Object.entries(DELIVERIES).flatMap(([delivery, settings]) => Object.entries(CASES).map(([who, details]) => live(t, engine, `${who}, ${delivery}`, settings, details)));
	// All have ended before anything is removed.
	for (const ended of await Promise.allSettled(lives)) if (ended.status === 'rejected') throw ended.reason;

	const beyond = await engine.cli(['create', '--runtime', RUNTIME, '--label', `birthmark.cn=${engine.name()}`, '--label', 'birthmark.ou=web-api', '--user', String(REMAPPED.count), 'test/busybox']);
	t.regex(beyond.stderr, new RegExp(`the user ${REMAPPED.count} of the container has no id on the host.* ${REMAPPED.count}; .*\\[label-illegal\\]`));
});
