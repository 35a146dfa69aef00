import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import type { AgentFile } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { MintRequest } from '#common/protocol/messages.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { OUT_OF_CHAIN } from '../../../../plugin/enforcement.ts';
import { openRecords, type IdentityRecord } from '../../../../plugin/records.ts';
import { IdentityVolumes, type IdentityVolumesDeps } from '../../../../plugin/volume/identity-volumes.ts';
import { MAX_WAITING } from '../../../../plugin/volume/start-tokens.ts';
import { identityRecord } from '../../../fakes/identity-record.ts';
import { FakeKeepers } from '../../../fakes/keepers.ts';
import { FakeMounts } from '../../../fakes/mounts.ts';
import { FakePluginCa } from '../../../fakes/plugin-ca.ts';

const VOLUME = 'a'.repeat(64);
const IDENTITY = identityRecord({ volume: VOLUME, uid: process.getuid!(), gid: process.getgid!() });

function world(t: ExecutionContext, overrides: Partial<IdentityVolumesDeps> = {}) {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => directory.removeCallback());
	const mountDirectory = join(directory.name, 'mounts');
	mkdirSync(mountDirectory);
	const records = openRecords(join(directory.name, 'records.db'));
	t.teardown(() => records.close());
	records.addIdentity(IDENTITY);
	const tmpfs = new FakeMounts(mountDirectory);
	const ca = new FakePluginCa();
	const relays = new Set<string>();
	const keepers = new FakeKeepers();
	let starts = 0;
	const deps: IdentityVolumesDeps = {
		records,
		tmpfs,
		ca,
		revocationList: async () => 'list',
		trustBundle: () => 'bundle',
		openRelay: async (path) => {
			relays.add(path);
			return { close: async () => void relays.delete(path) };
		},
		keepers,
		enforcement: { prove: async () => true, problem: () => undefined, engineAnswered: () => true },
		containersOf: async ({ volume }) => [{ Id: records.identity(volume)!.containerId, State: 'created', ImageID: IDENTITY.imageId, Names: ['/api01'] }],
		bindTask: async () => false,
		onEnded: () => undefined,
		caUrls: ['https://ca:33004', 'https://ca2:33004'],
		startGraceMs: 1000,
		newStartId: () => `start-${++starts}`,
		logger: silentLogger,
		...overrides,
	};
	const path = tmpfs.path(VOLUME);
	return { volumes: new IdentityVolumes(deps), deps, records, tmpfs, ca, relays, keepers, path, file: (name: string) => readFileSync(join(path, name), 'utf8') };
}

test('a start gives a fresh tmpfs with token, address, revocation list and relay', async (t) => {
	const { volumes, ca, relays, path, file, records } = world(t);
	t.is(await volumes.mount(VOLUME, 'm1'), path);
	t.is(file('token'), 'token of start-1');
	t.is(lstatSync(join(path, 'token')).mode & 0o777, 0o400);
	t.deepEqual(JSON.parse(file('agent.json')), { version: 1, bundle: 'bundle', ca: { way: 'relay' }, settings: {} });
	t.is(file('crl.pem'), 'list');
	t.true(relays.has(path));
	t.deepEqual(ca.minted, ['start-1']);
	t.is(records.identity(VOLUME)?.startId, 'start-1');
});

test('over the network there is an address instead of a relay', async (t) => {
	const { volumes, records, relays, file } = world(t);
	records.removeVolume(VOLUME);
	records.addIdentity({ ...IDENTITY, caWay: 'network' });
	await volumes.mount(VOLUME, 'm1');
	t.deepEqual(JSON.parse(file('agent.json')), { version: 1, bundle: 'bundle', ca: { way: 'network', url: 'https://ca:33004', urls: ['https://ca:33004', 'https://ca2:33004'] }, settings: {} });
	t.is(relays.size, 0);
});

test('with a clock that is not the CA\'s the agent gets no trust bundle: it has to ask for one, and sees the time before its token is spent', async (t) => {
	const { volumes, ca, file } = world(t);
	for (const [skew, bundle] of [[30, 'bundle'], [-30, 'bundle'], [31, undefined], [-31, undefined], [undefined, undefined]] as const) {
		ca.skewSeconds = skew;
		await volumes.mount(VOLUME, `m${skew}`);
		t.is((JSON.parse(file('agent.json')) as AgentFile).bundle, bundle, `${skew} s`);
		await volumes.unmount(VOLUME, `m${skew}`);
	}
});

test('the agent of a mounted identity is told which certificate to renew, and nobody else', async (t) => {
	const { volumes, path, file } = world(t);
	await volumes.demandRenewal({ authorizationId: IDENTITY.authorizationId, serial: '00ff' });
	t.false(existsSync(path), 'it does not run');
	await volumes.mount(VOLUME, 'm1');
	await volumes.demandRenewal({ authorizationId: 'unknown', serial: '00ff' });
	t.false(existsSync(join(path, 'rotate')));
	await volumes.demandRenewal({ authorizationId: IDENTITY.authorizationId, serial: '00ff' });
	t.is(file('rotate'), '00ff\n');
	await volumes.demandRenewal({ authorizationId: IDENTITY.authorizationId, serial: '00aa' });
	t.is(file('rotate'), '00aa\n');
});

test('a container that spoils the place of the demand keeps it from itself only', async (t) => {
	const { volumes, path } = world(t);
	await volumes.mount(VOLUME, 'm1');
	mkdirSync(join(path, 'rotate/full'), { recursive: true });
	await t.notThrowsAsync(volumes.demandRenewal({ authorizationId: IDENTITY.authorizationId, serial: '00ff' }));
});

test('a container that runs no agent gets one beside it, which ends with the start', async (t) => {
	const { volumes, records, keepers } = world(t);
	records.removeVolume(VOLUME);
	records.addIdentity({ ...IDENTITY, agentMode: 'node' });
	await volumes.mount(VOLUME, 'm1');
	t.true(keepers.running.has(VOLUME));
	await volumes.unmount(VOLUME, 'm1');
	t.false(keepers.running.has(VOLUME));
});

test('a start ends when the agent that the node runs gets no identity', async (t) => {
	const { volumes, records, keepers, path } = world(t);
	records.removeVolume(VOLUME);
	records.addIdentity({ ...IDENTITY, agentMode: 'node' });
	keepers.failure = new BirthmarkError('token-expired');
	t.is((await t.throwsAsync(volumes.mount(VOLUME, 'm1'), { instanceOf: BirthmarkError })).code, 'token-expired');
	t.false(existsSync(path));
	t.is(records.identity(VOLUME)?.startId, undefined);
});

test('a start that had to wait leaves its agent what is left of the two minutes in which the engine wants an answer', async (t) => {
	let ms = 0;
	const it = world(t, { startGraceMs: 100_000, now: () => ms });
	it.records.removeVolume(VOLUME);
	it.records.addIdentity({ ...IDENTITY, agentMode: 'node' });
	const mint = it.ca.mintToken.bind(it.ca);
	it.ca.mintToken = (id, request) => {
		ms += 100_000;
		return mint(id, request);
	};
	await it.volumes.mount(VOLUME, 'm1');
	t.is(it.keepers.withinMs, 15_000);
});

test('a start that came to its turn late does not wait for the CA longer than the engine does for it', async (t) => {
	let ms = 0;
	const { volumes, ca } = world(t, {
		startGraceMs: 3_600_000,
		now: () => ms,
		enforcement: { prove: async () => ((ms += 101_000), true), problem: () => undefined, engineAnswered: () => true },
	});
	ca.failure = new BirthmarkError('ca-unavailable');
	await t.throwsAsync(volumes.mount(VOLUME, 'm1'), { code: 'ca-unavailable' });
});

test('after a restart of the plugin the agents that the node runs are started again, and no others', async (t) => {
	const it = world(t);
	await it.volumes.mount(VOLUME, 'm1');
	const other = { ...IDENTITY, volume: 'b'.repeat(64), containerId: 'b'.repeat(64), agentMode: 'node' } as const;
	it.records.addIdentity(other);
	await it.volumes.mount(other.volume, 'm2');
	await it.volumes.close();
	t.is(it.keepers.running.size, 0);
	await new IdentityVolumes(it.deps).restore();
	t.deepEqual([...it.keepers.running], [other.volume]);
});

test('the same id again shares the mount and mints nothing', async (t) => {
	const { volumes, ca, tmpfs, path } = world(t);
	await volumes.mount(VOLUME, 'm1');
	await volumes.mount(VOLUME, 'm1');
	t.is(ca.minted.length, 1);
	t.is(tmpfs.mountings.length, 1);
	await volumes.unmount(VOLUME, 'm1');
	t.true(existsSync(path));
	await volumes.unmount(VOLUME, 'm1');
	t.false(existsSync(path));
});

test('an end that could not be recorded is left to the sweep', async (t) => {
	const it = world(t);
	await it.volumes.mount(VOLUME, 'm1');
	t.false(it.volumes.mayHaveEnded(VOLUME, 'start-1'));
	it.records.release = () => {
		throw new Error('the disk is full');
	};
	await t.throwsAsync(it.volumes.unmount(VOLUME, 'm1'), { message: /full/ });
	t.true(it.volumes.mayHaveEnded(VOLUME, 'start-1'));
	await it.volumes.endStart(VOLUME, 'start-1');
	t.false(existsSync(it.path));
	t.like(it.records.nextInOutbox(), { startId: 'start-1' });
});

test('a start that fails is undone although its end cannot be recorded', async (t) => {
	const it = world(t, { openRelay: () => Promise.reject(new Error('no socket')) });
	it.records.endStart = () => {
		throw new Error('the disk is full');
	};
	await t.throwsAsync(it.volumes.mount(VOLUME, 'm1'));
	t.false(existsSync(it.path));
	t.false(it.volumes.isMounted(VOLUME));
});

test('the last unmount queues the revocation and removes everything', async (t) => {
	const { volumes, records, relays, path } = world(t);
	await volumes.mount(VOLUME, 'm1');
	await volumes.unmount(VOLUME, 'm1');
	t.like(records.nextInOutbox(), { authorizationId: 'auth-1', startId: 'start-1' });
	t.is(relays.size, 0);
	t.false(existsSync(path));
	t.false(volumes.isMounted(VOLUME));
});

test('another id is another start: new tmpfs, new token, the old start revoked', async (t) => {
	const { volumes, ca, records, tmpfs, path } = world(t);
	await volumes.mount(VOLUME, 'm1');
	writeFileSync(join(path, 'tls.key'), 'of the start before');
	await volumes.mount(VOLUME, 'm2');
	t.deepEqual(ca.minted, ['start-1', 'start-2']);
	t.is(tmpfs.mountings.length, 2);
	t.false(existsSync(join(path, 'tls.key')));
	t.like(records.nextInOutbox(), { startId: 'start-1' });
	await volumes.unmount(VOLUME, 'm1');
	t.true(volumes.isMounted(VOLUME));
});

test('while the engine starts, what it held before is void', async (t) => {
	let answered = true;
	const { volumes, ca } = world(t, { enforcement: { prove: async () => null, problem: () => undefined, engineAnswered: () => answered } });
	await volumes.mount(VOLUME, 'm1');
	answered = false;
	await volumes.mount(VOLUME, 'm1');
	t.is(ca.minted.length, 2);
});

test('calls for one volume wait for each other', async (t) => {
	const { volumes, ca, tmpfs, path } = world(t);
	await Promise.all([volumes.mount(VOLUME, 'm1'), volumes.mount(VOLUME, 'm1'), volumes.unmount(VOLUME, 'm1'), volumes.unmount(VOLUME, 'm1')]);
	t.is(ca.minted.length, 1);
	t.is(tmpfs.mountings.length, 1);
	t.false(existsSync(path));
});

test('a volume without an identity is not mounted', async (t) => {
	const { volumes, tmpfs } = world(t);
	await t.throwsAsync(volumes.mount('b'.repeat(64), 'm1'), { code: 'volume-unknown', message: /create it again/ });
	t.is(tmpfs.mountings.length, 0);
});

test('without enforcement there is no token, and the refusal says why', async (t) => {
	const { volumes, ca } = world(t, { enforcement: { prove: async () => false, problem: () => OUT_OF_CHAIN, engineAnswered: () => true } });
	await t.throwsAsync(volumes.mount(VOLUME, 'm1'), { code: 'enforcement-missing', message: /does not ask the plugin.*daemon\.json.*SIGHUP/ });
	t.is(ca.minted.length, 0);
});

test('each start waits for a proof of its own', async (t) => {
	let proofs = 0;
	const { volumes, ca } = world(t, { enforcement: { prove: async () => ++proofs === 1, problem: () => OUT_OF_CHAIN, engineAnswered: () => true } });
	await volumes.mount(VOLUME, 'm1');
	await volumes.unmount(VOLUME, 'm1');
	await t.throwsAsync(volumes.mount(VOLUME, 'm2'), { code: 'enforcement-missing' });
	t.deepEqual(ca.minted, ['start-1']);
});

test('a start that waited for the CA proves anew before it asks again', async (t) => {
	let proofs = 0;
	const { volumes, ca } = world(t, { startGraceMs: 60_000, enforcement: { prove: async () => ++proofs === 1, problem: () => OUT_OF_CHAIN, engineAnswered: () => true } });
	const mint = ca.mintToken.bind(ca);
	let attempts = 0;
	ca.mintToken = (id, request) => (++attempts < 2 ? Promise.reject(new BirthmarkError('ca-unavailable')) : mint(id, request));
	await t.throwsAsync(volumes.mount(VOLUME, 'm1'), { code: 'enforcement-missing' });
	t.is(attempts, 1);
	t.deepEqual(ca.minted, []);
});

test('a start waits for a CA that comes back', async (t) => {
	const { volumes, ca, file } = world(t, { startGraceMs: 60_000 });
	const mint = ca.mintToken.bind(ca);
	let attempts = 0;
	ca.mintToken = (id, request) => (++attempts < 3 ? Promise.reject(new BirthmarkError('ca-unavailable')) : mint(id, request));
	await volumes.mount(VOLUME, 'm1');
	t.is(attempts, 3);
	t.is(file('token'), 'token of start-1');
});

for (const [what, break_, code] of [
	['a CA that stays away', ({ ca }: ReturnType<typeof world>) => void (ca.failure = new BirthmarkError('ca-unavailable')), 'ca-unavailable'],
	['an authorization that was ended', ({ ca }: ReturnType<typeof world>) => void (ca.failure = new BirthmarkError('authorization-ended')), 'authorization-ended'],
	['a tmpfs that cannot be mounted', ({ tmpfs }: ReturnType<typeof world>) => void (tmpfs.fails = true), 'mount-failed'],
] as const) {
	test(`${what} fails the start and leaves nothing`, async (t) => {
		const it = world(t, { startGraceMs: 0 });
		break_(it);
		await t.throwsAsync(it.volumes.mount(VOLUME, 'm1'), { code });
		t.false(existsSync(it.path));
		t.is(it.relays.size, 0);
		t.is(it.records.identity(VOLUME)?.startId, undefined);
		t.false(it.records.isHeldBy(VOLUME, 'm1'));
		t.like(it.records.nextInOutbox(), { startId: 'start-1' });
	});
}

test('a relay that cannot be opened fails the start and leaves nothing', async (t) => {
	const it = world(t, { openRelay: () => Promise.reject(new Error('no socket')) });
	await t.throwsAsync(it.volumes.mount(VOLUME, 'm1'), { message: 'no socket' });
	t.false(existsSync(it.path));
});

test('after a restart of the plugin what is still mounted is taken up', async (t) => {
	const before = world(t);
	await before.volumes.mount(VOLUME, 'm1');
	await before.volumes.close();
	t.is(before.relays.size, 0);
	const volumes = new IdentityVolumes({ ...before.deps, containersOf: async () => [{ Id: IDENTITY.containerId, State: 'running', ImageID: IDENTITY.imageId, Names: ['/api01'] }] });
	await volumes.restore();
	t.true(volumes.isMounted(VOLUME));
	t.true(before.relays.has(before.path));
	t.true(volumes.mayHaveEnded(VOLUME, 'start-1'));
	await volumes.mount(VOLUME, 'm1');
	t.is(before.ca.minted.length, 1);
});

test('files are copied out of a running container before the plugin, which was started again, has proof', async (t) => {
	const before = world(t, { enforcement: { prove: async () => null, problem: () => undefined, engineAnswered: () => false }, containersOf: async () => [{ Id: IDENTITY.containerId, State: 'running', ImageID: IDENTITY.imageId, Names: ['/api01'] }] });
	await before.volumes.mount(VOLUME, 'm1');
	const volumes = new IdentityVolumes(before.deps);
	await volumes.restore();
	await volumes.mount(VOLUME, 'm1');
	t.is(before.ca.minted.length, 1);
	await volumes.unmount(VOLUME, 'm1');
	t.is(before.file('token'), 'token of start-1');
});

test('an engine that starts after a crash is not asked for longer than it takes to see that it starts', async (t) => {
	const never = new Promise<never>(() => {});
	const before = world(t, { enforcement: { prove: async () => null, problem: () => undefined, engineAnswered: () => false }, containersOf: () => never });
	await before.volumes.mount(VOLUME, 'm1');
	const volumes = new IdentityVolumes(before.deps);
	await volumes.restore();
	await volumes.mount(VOLUME, 'm1');
	t.is(before.ca.minted.length, 2);
});

test('the id of an unmount that failed is another start when it comes again: the engine keeps it', async (t) => {
	const { volumes, ca, records } = world(t, { containersOf: async () => [{ Id: IDENTITY.containerId, State: 'exited', ImageID: IDENTITY.imageId, Names: ['/api01'] }] });
	await volumes.mount(VOLUME, 'm1');
	const { release } = records;
	records.release = () => {
		throw new Error('the disk is full');
	};
	await t.throwsAsync(volumes.unmount(VOLUME, 'm1'));
	records.release = release;
	await volumes.mount(VOLUME, 'm1');
	t.deepEqual(ca.minted, ['start-1', 'start-2']);
	await volumes.unmount(VOLUME, 'm1');
	t.false(volumes.isMounted(VOLUME));
});

test('only so many starts wait for a CA that is away; another one fails at once', async (t) => {
	const { volumes, ca, records } = world(t, { startGraceMs: 3_600_000, containersOf: async ({ volume }) => [{ Id: volume, State: 'created', ImageID: IDENTITY.imageId, Names: ['/api01'] }] });
	ca.failure = new BirthmarkError('ca-unavailable');
	const names = Array.from({ length: MAX_WAITING + 1 }, (_, index) => index.toString(16).padStart(64, '0'));
	for (const name of names) records.addIdentity({ ...IDENTITY, volume: name, containerId: name });
	const starts = names.slice(1).map((name) => volumes.mount(name, 'm1'));
	// A start waits once its first attempt has failed.
	while (volumes.waitingCount() < MAX_WAITING) await new Promise((resolve) => setImmediate(resolve));
	await t.throwsAsync(volumes.mount(names[0]!, 'm1'), { code: 'ca-unavailable', message: /200 starts/ });
	ca.failure = undefined;
	await Promise.all(starts);
	t.is(volumes.waitingCount(), 0);
	await volumes.mount(names[0]!, 'm1');
});

test('after a restart of the plugin what is gone is revoked, and what is left over removed', async (t) => {
	const it = world(t);
	await it.volumes.mount(VOLUME, 'm1');
	await it.tmpfs.unmount(VOLUME);
	mkdirSync(it.tmpfs.path('left-over'));
	const volumes = new IdentityVolumes(it.deps);
	await volumes.restore();
	t.false(volumes.isMounted(VOLUME));
	t.like(it.records.nextInOutbox(), { startId: 'start-1' });
	t.deepEqual(await it.tmpfs.present(), []);
});

test('a volume that its container spoilt does not keep the plugin from starting', async (t) => {
	const it = world(t);
	await it.volumes.mount(VOLUME, 'm1');
	const volumes = new IdentityVolumes({ ...it.deps, openRelay: () => Promise.reject(new Error('EISDIR')) });
	await volumes.restore();
	t.true(volumes.isMounted(VOLUME));
	t.is(it.records.outboxLength(), 0);
});

test('the end of a start does not touch the one after it', async (t) => {
	const { volumes } = world(t);
	await volumes.mount(VOLUME, 'm1');
	await volumes.mount(VOLUME, 'm2');
	await volumes.endStart(VOLUME, 'start-1');
	t.true(volumes.isMounted(VOLUME));
	await volumes.endStart(VOLUME, 'start-2');
	t.false(volumes.isMounted(VOLUME));
});

test('a removed container is unmounted and ended', async (t) => {
	const { volumes, records, path } = world(t);
	await volumes.mount(VOLUME, 'm1');
	await volumes.remove(VOLUME);
	t.false(existsSync(path));
	t.deepEqual(outbox(records), [{ authorizationId: 'auth-1' }]);
	await t.throwsAsync(volumes.mount(VOLUME, 'm1'), { code: 'volume-unknown' });
});

test('a new revocation list reaches every mounted volume, whatever one of them did to its own', async (t) => {
	const { volumes, records, path, tmpfs } = world(t);
	const second = 'b'.repeat(64);
	records.addIdentity({ ...IDENTITY, volume: second, containerId: 'd'.repeat(64) });
	await volumes.mount(second, 'm2');
	await volumes.mount(VOLUME, 'm1');
	await tmpfs.unmount(second);
	await volumes.writeRevocationList('newer');
	t.is(readFileSync(join(path, 'crl.pem'), 'utf8'), 'newer');
});

const NEXT: IdentityRecord = { ...IDENTITY, containerId: 'd'.repeat(64), authorizationId: 'auth-2' };
const both = (state: string) => [{ Id: NEXT.containerId, State: 'created', ImageID: IDENTITY.imageId, Names: ['/api01'] }, { Id: IDENTITY.containerId, State: state, ImageID: IDENTITY.imageId, Names: ['/api01'] }];

for (const state of ['created', 'running', 'exited', 'restarting']) {
	test(`a container that has the volume without a record gets nothing of the one that is ${state}, and keeps it from starting`, async (t) => {
		const list = [{ Id: IDENTITY.containerId, State: 'created', ImageID: IDENTITY.imageId, Names: ['/api01'] }];
		const { volumes, ca, records, file } = world(t, { containersOf: async () => list });
		await volumes.mount(VOLUME, 'm1');
		list[0]!.State = state;
		list.push({ Id: 'e'.repeat(64), State: 'created', ImageID: IDENTITY.imageId, Names: ['/api01'] });
		await t.throwsAsync(volumes.mount(VOLUME, 'm2'), { code: 'identity-isolated', message: /docker rm --force eeeeeeeeeeee/ });
		t.deepEqual(ca.minted, ['start-1']);
		t.is(file('token'), 'token of start-1', 'the one that has it is not disturbed');
		t.is(records.outboxLength(), 0);
	});
}

for (const state of ['running', 'paused']) {
	test(`another mount while its container is ${state}, as a create makes to copy files of an image, is refused`, async (t) => {
		const list = [{ Id: IDENTITY.containerId, State: 'created', ImageID: IDENTITY.imageId, Names: ['/api01'] }];
		const { volumes, records, file } = world(t, { containersOf: async () => list });
		await volumes.mount(VOLUME, 'm1');
		list[0]!.State = state;
		await t.throwsAsync(volumes.mount(VOLUME, 'throwaway'), { code: 'identity-isolated' });
		t.is(file('token'), 'token of start-1');
		t.is(records.outboxLength(), 0);
	});
}

test('a volume whose container is gone is not mounted', async (t) => {
	const { volumes, ca } = world(t, { containersOf: async () => [] });
	await t.throwsAsync(volumes.mount(VOLUME, 'm1'), { code: 'volume-unknown' });
	t.deepEqual(ca.minted, []);
});

test('an engine that does not tell who has the volume gets no identity', async (t) => {
	const { volumes, ca } = world(t, { containersOf: () => Promise.reject(new BirthmarkError('engine-unavailable')) });
	await t.throwsAsync(volumes.mount(VOLUME, 'm1'), { code: 'engine-unavailable' });
	t.deepEqual(ca.minted, []);
});

test('a container that was made to take the place of another gets its own identity once the other is gone', async (t) => {
	let list = [{ Id: IDENTITY.containerId, State: 'created', ImageID: IDENTITY.imageId, Names: ['/api01'] }];
	const { volumes, records, ca, file } = world(t, { containersOf: async () => list });
	await volumes.mount(VOLUME, 'm1');
	records.addIdentity(NEXT);
	list = [{ Id: NEXT.containerId, State: 'created', ImageID: IDENTITY.imageId, Names: ['/api01'] }];
	t.is(file('token'), 'token of start-1', 'the running one is not disturbed');
	await volumes.unmount(VOLUME, 'm1');
	await volumes.mount(VOLUME, 'm2');
	t.is(records.identity(VOLUME)?.containerId, NEXT.containerId);
	t.is(records.identity(VOLUME)?.startId, 'start-2');
	t.deepEqual(ca.minted, ['start-1', 'start-2']);
	t.deepEqual(outbox(records), [{ authorizationId: 'auth-1', startId: 'start-1' }, { authorizationId: 'auth-1' }]);
});

for (const state of ['running', 'exited', 'created']) {
	test(`while the other is ${state}, neither of the two can be started on their volume`, async (t) => {
		const { volumes, records, ca } = world(t, { containersOf: async () => both(state) });
		records.addIdentity(NEXT);
		await t.throwsAsync(volumes.mount(VOLUME, 'm2'), { code: 'identity-isolated', message: /docker rm --force cccccccccccc/ });
		t.deepEqual(ca.minted, []);
	});
}

for (const [what, overrides] of [
	['the other is being restarted', { containersOf: async () => both('restarting') }],
	['the engine itself starts', { enforcement: { prove: async () => null, problem: () => undefined, engineAnswered: () => false } }],
] as const) {
	test(`a mount while ${what} is that of the other`, async (t) => {
		const { volumes, records } = world(t, overrides);
		records.addIdentity(NEXT);
		await volumes.mount(VOLUME, 'm2');
		t.is(records.identity(VOLUME)?.startId, 'start-1');
		t.is(records.identitiesOf(VOLUME)[1]?.startId, undefined);
	});
}

test('a container that waited for the volume and is removed leaves the other alone', async (t) => {
	const { volumes, records, path } = world(t);
	await volumes.mount(VOLUME, 'm1');
	records.addIdentity(NEXT);
	await volumes.forget(VOLUME, NEXT.containerId);
	t.true(existsSync(join(path, 'token')));
	t.is(records.identity(VOLUME)?.startId, 'start-1');
	t.deepEqual(outbox(records), [{ authorizationId: 'auth-2' }]);
});

function outbox(records: ReturnType<typeof openRecords>): object[] {
	const entries: object[] = [];
	for (let entry = records.nextInOutbox(); entry; entry = records.nextInOutbox()) {
		const { id, ...rest } = entry;
		entries.push(rest);
		records.removeFromOutbox(id);
	}
	return entries;
}

test('a container with another image than the one that was decided on gets no identity', async (t) => {
	const other = 'sha256:' + '2'.repeat(64);
	const { volumes, ca } = world(t, { containersOf: async () => [{ Id: IDENTITY.containerId, State: 'created', ImageID: other, Names: [] }] });
	await t.throwsAsync(volumes.mount(VOLUME, 'm1'), { code: 'image-changed', message: /create it again/ });
	t.deepEqual(ca.minted, []);
});

test('the CA is told once that a container has another name', async (t) => {
	const { volumes, ca, records } = world(t, { containersOf: async () => [{ Id: IDENTITY.containerId, State: 'exited', ImageID: IDENTITY.imageId, Names: ['/a/db', '/renamed'] }] });
	const asked: MintRequest[] = [];
	const mint = ca.mintToken.bind(ca);
	ca.mintToken = (id, request) => {
		asked.push(request);
		return mint(id, request);
	};
	await volumes.mount(VOLUME, 'm1');
	await volumes.unmount(VOLUME, 'm1');
	await volumes.mount(VOLUME, 'm2');
	t.deepEqual(asked, [{ startId: 'start-1', containerName: 'renamed' }, { startId: 'start-2' }]);
	t.is(records.identity(VOLUME)?.containerName, 'renamed');
});

const CONTAINER = 'e'.repeat(64);
const BY_RUNTIME = identityRecord({ volume: CONTAINER, containerId: CONTAINER, authorizationId: 'auth-2', delivery: 'runtime', agentMode: 'exec', uid: process.getuid!(), gid: process.getgid!() });

const AS_WRITTEN = { Id: CONTAINER, State: 'created', ImageID: BY_RUNTIME.imageId, Names: ['/api01'] };

/** With a container that gets its identity by the runtime. */
function withRuntime(t: ExecutionContext, overrides: Partial<IdentityVolumesDeps> = {}) {
	const clock = { now: 0 };
	const it = world(t, { now: () => clock.now, ...overrides });
	it.records.addIdentity(BY_RUNTIME);
	return { ...it, clock, path: it.tmpfs.path(CONTAINER) };
}

test('what the runtime asks is a start like any, each time another one', async (t) => {
	const { volumes, ca, relays, path, records } = withRuntime(t);
	t.like(await volumes.startByRuntime(AS_WRITTEN), { startId: 'start-1', agentMode: 'exec', commonName: 'api01' });
	t.is(readFileSync(join(path, 'token'), 'utf8'), 'token of start-1');
	t.true(relays.has(path));
	t.like(await volumes.startByRuntime(AS_WRITTEN), { startId: 'start-2' });
	t.deepEqual(ca.minted, ['start-1', 'start-2']);
	t.like(records.nextInOutbox(), { authorizationId: 'auth-2', startId: 'start-1' });
	t.deepEqual(records.volumes(), [VOLUME], 'there is no such volume');
});

test('the runtime tells the end of a start; one that is over already ends no other', async (t) => {
	const { volumes, path, records } = withRuntime(t);
	await volumes.startByRuntime(AS_WRITTEN);
	await volumes.startByRuntime(AS_WRITTEN);
	await volumes.endByRuntime(CONTAINER, 'start-1');
	t.true(existsSync(path));
	await volumes.endByRuntime(CONTAINER, 'start-2');
	t.is(records.identity(CONTAINER)?.startId, undefined, 'this much is done when it is answered');
	t.like(await volumes.startByRuntime(AS_WRITTEN), { startId: 'start-3' }, 'the next start waits for the rest');
	t.is(readFileSync(join(path, 'token'), 'utf8'), 'token of start-3');
});

test('an end that nobody told is looked for after a minute, when the container had time to start', async (t) => {
	const { volumes, clock } = withRuntime(t);
	const { startId } = await volumes.startByRuntime(AS_WRITTEN);
	clock.now = 59_000;
	t.false(volumes.mayHaveEnded(CONTAINER, startId));
	clock.now = 60_000;
	t.true(volumes.mayHaveEnded(CONTAINER, startId));
	await volumes.endStart(CONTAINER, startId);
	await volumes.startByRuntime(AS_WRITTEN);
	t.false(volumes.mayHaveEnded(CONTAINER, 'start-2'));
});

test('an end that the runtime told and that could not be recorded is left to the sweep', async (t) => {
	const { volumes, records } = withRuntime(t);
	const { startId } = await volumes.startByRuntime(AS_WRITTEN);
	records.endStart = () => {
		throw new Error('the disk is full');
	};
	await t.throwsAsync(volumes.endByRuntime(CONTAINER, startId), { message: /full/ });
	t.true(volumes.mayHaveEnded(CONTAINER, startId));
});

test('the token of a start that is expected is made before it, and given once', async (t) => {
	const { volumes, ca, path, clock, records } = withRuntime(t);
	const token = (): string => readFileSync(join(path, 'token'), 'utf8');
	volumes.expectStart('f'.repeat(64));
	volumes.expectStart(CONTAINER);
	volumes.expectStart(CONTAINER);
	await new Promise(setImmediate);
	t.deepEqual(ca.minted, ['start-1'], 'another token would end it');
	t.like(await volumes.startByRuntime(AS_WRITTEN), { startId: 'start-1' });
	t.is(token(), 'token of start-1');
	t.is(records.identity(CONTAINER)?.startId, 'start-1');
	volumes.expectStart(CONTAINER);
	t.deepEqual(ca.minted, ['start-1'], 'it runs');
	await volumes.startByRuntime(AS_WRITTEN);
	t.deepEqual(ca.minted, ['start-1', 'start-2']);
	await volumes.endStart(CONTAINER, 'start-2');
	volumes.expectStart(CONTAINER);
	clock.now += 30_000;
	t.like(await volumes.startByRuntime(AS_WRITTEN), { startId: 'start-3' });
	t.deepEqual(ca.minted.slice(2), ['start-3', 'start-3'], 'it was too long ago');
});

test('an expected token that will not do is asked for again', async (t) => {
	const { volumes, ca, path } = withRuntime(t);
	const mint = ca.mintToken.bind(ca);
	const asked: MintRequest[] = [];
	let failure: 'away' | 'short' | undefined = 'away';
	ca.mintToken = async (id, request) => {
		asked.push(request);
		const fails = failure;
		failure = undefined;
		if (fails === 'away') throw new BirthmarkError('ca-unavailable');
		return { ...(await mint(id, request)), ...(fails === 'short' && { token: 'short', expiresAt: new Date(Date.now()).toISOString() }) };
	};
	const start = async (container = AS_WRITTEN): Promise<string> => {
		volumes.expectStart(CONTAINER);
		const { startId } = await volumes.startByRuntime(container);
		await volumes.endStart(CONTAINER, startId);
		return startId;
	};
	t.is(await start(), 'start-1');
	t.deepEqual(asked.splice(0), [{ startId: 'start-1' }, { startId: 'start-1' }], 'the CA did not answer');
	failure = 'short';
	t.is(await start(), 'start-2');
	t.deepEqual(asked.splice(0), [{ startId: 'start-2' }, { startId: 'start-2' }], 'it had ended');
	ca.skewSeconds = 100;
	failure = 'short';
	t.is(await start(), 'start-3');
	t.deepEqual(asked.splice(0), [{ startId: 'start-3' }], 'it had ended by our clock only');
	t.is(await start({ ...AS_WRITTEN, Names: ['/renamed'] }), 'start-4');
	t.deepEqual(asked.splice(0), [{ startId: 'start-4' }, { startId: 'start-4', containerName: 'renamed' }], 'the CA knew it by another name');
	t.false(existsSync(path));
});

test('of containers that share a volume a token is made early for the one whose turn it is', async (t) => {
	const { volumes, ca, records } = world(t);
	const next = 'd'.repeat(64);
	records.addIdentity({ ...IDENTITY, containerId: next, authorizationId: 'auth-3' });
	volumes.expectStart(next);
	await new Promise(setImmediate);
	t.deepEqual(ca.minted, []);
	volumes.expectStart(IDENTITY.containerId);
	await volumes.mount(VOLUME, 'm1');
	t.deepEqual(ca.minted, ['start-1']);
});

test('a start whose tmpfs cannot be mounted waits for no CA', async (t) => {
	const { volumes, ca, records, tmpfs } = withRuntime(t, { startGraceMs: 3_600_000 });
	let asked = 0;
	ca.mintToken = async () => {
		asked++;
		throw new BirthmarkError('ca-unavailable');
	};
	tmpfs.mount = async () => Promise.reject(new BirthmarkError('mount-failed'));
	await t.throwsAsync(volumes.startByRuntime(AS_WRITTEN), { code: 'mount-failed' });
	t.is(asked, 1);
	t.is(volumes.waitingCount(), 0);
	t.is(records.identity(CONTAINER)?.startId, undefined);
});

test('a start that the CA refuses leaves nothing mounted', async (t) => {
	const { volumes, ca, path, relays } = withRuntime(t);
	ca.mintToken = async () => Promise.reject(new BirthmarkError('authorization-ended'));
	await t.throwsAsync(volumes.startByRuntime(AS_WRITTEN), { code: 'authorization-ended' });
	t.false(existsSync(path));
	t.is(relays.size, 0);
	t.is(volumes.mountedCount(), 0);
});

test('neither door opens what is delivered by the other', async (t) => {
	const { volumes } = withRuntime(t);
	await t.throwsAsync(volumes.mount(CONTAINER, 'm1'), { code: 'volume-unknown' });
	await t.throwsAsync(volumes.startByRuntime({ ...AS_WRITTEN, Id: VOLUME }), { code: 'volume-unknown', message: /create it again/ });
	await t.throwsAsync(volumes.startByRuntime({ ...AS_WRITTEN, Id: 'f'.repeat(64) }), { code: 'volume-unknown' });
});

test('while the engine starts, the runtime gets an identity from the records alone', async (t) => {
	const { volumes } = withRuntime(t, { enforcement: { prove: async () => null, problem: () => undefined, engineAnswered: () => false }, containersOf: () => Promise.reject(new Error('not asked')) });
	t.like(await volumes.startByRuntime(AS_WRITTEN), { startId: 'start-1' });
});

test('the runtime gets nothing without proof of enforcement, or for a container that has another image', async (t) => {
	const unproved = withRuntime(t, { enforcement: { prove: async () => false, problem: () => OUT_OF_CHAIN, engineAnswered: () => true } });
	await t.throwsAsync(unproved.volumes.startByRuntime(AS_WRITTEN), { code: 'enforcement-missing' });
	const other = withRuntime(t);
	await t.throwsAsync(other.volumes.startByRuntime({ ...AS_WRITTEN, ImageID: 'sha256:2' }), { code: 'image-changed' });
	t.deepEqual(other.ca.minted, []);
});

test('a task of a service is bound when the runtime asks for it', async (t) => {
	const holders: object[] = [];
	const it = world(t, {
		bindTask: async (holder) => {
			holders.push(holder);
			it.records.addIdentity(BY_RUNTIME);
			return true;
		},
	});
	t.like(await it.volumes.startByRuntime(AS_WRITTEN), { startId: 'start-1' });
	t.deepEqual(holders, [{ volume: CONTAINER, delivery: 'runtime' }]);
});
