import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { openRecords } from '../../../plugin/records.ts';
import { identityRecord } from '../../fakes/identity-record.ts';
import { FIRST_VERSION } from '../../fakes/first-records.ts';

const VOLUME = 'a'.repeat(64);
const IDENTITY = identityRecord({ volume: VOLUME, uid: 1000 });

function file(t: ExecutionContext): string {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => directory.removeCallback());
	return join(directory.name, 'records.db');
}

function opened(t: ExecutionContext, path = file(t)) {
	const records = openRecords(path);
	t.teardown(() => records.close());
	return records;
}

test('an identity is found by its volume, as it was written', (t) => {
	const records = opened(t);
	records.addIdentity(IDENTITY);
	t.deepEqual(records.identity(VOLUME), IDENTITY);
	t.true(records.hasVolume(VOLUME));
	t.is(records.identity('other'), undefined);
});

test('a container of the same names waits for the volume until the first is gone', (t) => {
	const records = opened(t);
	const next = { ...IDENTITY, containerId: 'd'.repeat(64), authorizationId: 'auth-2' };
	records.addIdentity(IDENTITY);
	records.addIdentity(next);
	records.beginStart(VOLUME, 'start-1', 'm1');
	t.deepEqual(records.identitiesOf(VOLUME), [{ ...IDENTITY, startId: 'start-1' }, next]);
	records.endIdentity(VOLUME, IDENTITY.containerId);
	t.deepEqual(records.identity(VOLUME), next);
	t.false(records.isHeldBy(VOLUME, 'm1'));
});

test('the same identity twice is one; a container of other names on the volume is refused', (t) => {
	const records = opened(t);
	records.addIdentity(IDENTITY);
	records.addIdentity(IDENTITY);
	t.is(records.identities().length, 1);
	const other = { ...IDENTITY, containerId: 'd'.repeat(64) };
	for (const change of [{ commonName: 'api02' }, { organizationalUnit: 'admin' }, { dnsNames: ['x'] }]) {
		t.throws(() => records.addIdentity({ ...other, ...change }), { code: 'identity-isolated' }, JSON.stringify(change));
	}
	t.deepEqual(records.identity(VOLUME), IDENTITY);
});

test('a volume that was called like the id of a container which the runtime serves takes nothing from it', (t) => {
	const records = opened(t);
	const served = { ...IDENTITY, volume: IDENTITY.containerId, delivery: 'runtime' as const };
	records.addVolume(served.volume);
	records.addIdentity(served);
	t.false(records.hasVolume(served.volume));
	t.deepEqual(records.identity(served.volume), served);
	const thief = { ...IDENTITY, volume: served.volume, containerId: 'd'.repeat(64) };
	t.throws(() => records.addIdentity(thief), { code: 'identity-isolated' });
	t.deepEqual(records.identitiesOf(served.volume), [served]);
});

test('a start is held by each mount and ends with the last', (t) => {
	const records = opened(t);
	records.addIdentity(IDENTITY);
	records.beginStart(VOLUME, 'start-1', 'mount-1');
	t.is(records.identity(VOLUME)?.startId, 'start-1');
	records.hold(VOLUME, 'mount-1');
	t.false(records.release(VOLUME, 'mount-1'));
	t.is(records.outboxLength(), 0);
	t.true(records.release(VOLUME, 'mount-1'));
	t.like(records.nextInOutbox(), { authorizationId: 'auth-1', startId: 'start-1' });
	t.is(records.identity(VOLUME)?.startId, undefined);
});

test('an unmount with an id that holds nothing changes nothing', (t) => {
	const records = opened(t);
	records.addIdentity(IDENTITY);
	records.beginStart(VOLUME, 'start-1', 'mount-1');
	t.false(records.release(VOLUME, 'mount-of-another-time'));
	t.is(records.identity(VOLUME)?.startId, 'start-1');
	t.is(records.outboxLength(), 0);
});

test('a new start ends the one before it, with its holders', (t) => {
	const records = opened(t);
	records.addIdentity(IDENTITY);
	records.beginStart(VOLUME, 'start-1', 'mount-1');
	records.beginStart(VOLUME, 'start-2', 'mount-2');
	t.like(records.nextInOutbox(), { startId: 'start-1' });
	t.false(records.isHeldBy(VOLUME, 'mount-1'));
	t.true(records.isHeldBy(VOLUME, 'mount-2'));
});

test('the end of a container ends its authorization, once', (t) => {
	const records = opened(t);
	records.addIdentity(IDENTITY);
	records.removeVolume(VOLUME);
	records.removeVolume(VOLUME);
	t.is(records.outboxLength(), 1);
	t.deepEqual(records.nextInOutbox(), { id: 1, authorizationId: 'auth-1' });
	t.false(records.hasVolume(VOLUME));
	t.is(records.identity(VOLUME), undefined);
});

test('the outbox keeps its order and forgets what was delivered', (t) => {
	const records = opened(t);
	records.addIdentity(IDENTITY);
	for (const start of ['1', '2', '3']) records.beginStart(VOLUME, start, 'm');
	const seen: (string | undefined)[] = [];
	for (let entry = records.nextInOutbox(); entry; entry = records.nextInOutbox()) {
		seen.push('startId' in entry ? entry.startId : undefined);
		records.removeFromOutbox(entry.id);
	}
	t.deepEqual(seen, ['1', '2']);
});

test('what was written outlives kill -9', async (t) => {
	const path = file(t);
	const program = `
		const { openRecords } = await import(${JSON.stringify(new URL('../../../plugin/records.ts', import.meta.url).href)});
		const records = openRecords(${JSON.stringify(path)});
		records.addIdentity(${JSON.stringify(IDENTITY)});
		records.beginStart(${JSON.stringify(VOLUME)}, 'start-1', 'mount-1');
		records.release(${JSON.stringify(VOLUME)}, 'mount-1');
		records.beginStart(${JSON.stringify(VOLUME)}, 'start-2', 'mount-2');
		process.stdout.write('written');
		setInterval(() => {}, 1000);`;
	const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
	await once(child.stdout, 'data');
	child.kill('SIGKILL');
	await once(child, 'exit');
	const records = opened(t, path);
	t.deepEqual(records.identity(VOLUME), { ...IDENTITY, startId: 'start-2' });
	t.true(records.isHeldBy(VOLUME, 'mount-2'));
	t.like(records.nextInOutbox(), { startId: 'start-1' });
});

const REQUEST = { containerId: IDENTITY.containerId, commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [], image: 'app:1' };

test('a birth that a crash left half-done is abandoned at the next start, a complete one is not', (t) => {
	const path = file(t);
	const records = opened(t, path);
	records.beginBirth(REQUEST);
	records.beginBirth({ ...REQUEST, containerId: 'e'.repeat(64) });
	records.addIdentity(IDENTITY);
	const again = opened(t, path);
	again.abandonBirths();
	t.like(again.nextInOutbox(), { abandoned: { ...REQUEST, containerId: 'e'.repeat(64) } });
	t.is(again.outboxLength(), 1);
	again.abandonBirths();
	t.is(again.outboxLength(), 1);
});

test('the end of a birth that was complete already is not reported', (t) => {
	const records = opened(t);
	records.beginBirth(REQUEST);
	records.addIdentity(IDENTITY);
	records.abandonBirth(IDENTITY.containerId);
	t.is(records.outboxLength(), 0);
});

test('a file of a newer version is left alone', (t) => {
	const path = file(t);
	openRecords(path).close();
	const database = new DatabaseSync(path);
	database.exec('PRAGMA user_version=99');
	database.close();
	t.throws(() => openRecords(path), { code: 'config-invalid' });
});

test('a file of the first version becomes one of this, with what was in it', (t) => {
	const path = file(t);
	const database = new DatabaseSync(path);
	database.exec(FIRST_VERSION);
	database.prepare('INSERT INTO volumes VALUES (?)').run(VOLUME);
	database.prepare("INSERT INTO identities VALUES (1, ?, ?, 'auth-1', 'api01', 'web-api', '[\"api\"]', 1000, 0, 448, 'relay', 'start-1')").run(VOLUME, IDENTITY.containerId);
	database.prepare("INSERT INTO mounts VALUES (?, 'mount-1', 1)").run(VOLUME);
	database.prepare("INSERT INTO outbox VALUES (1, 'auth-0', NULL)").run();
	database.close();
	const records = opened(t, path);
	t.deepEqual(records.identity(VOLUME), { ...IDENTITY, dnsNames: ['api'], containerName: '', imageId: '', startId: 'start-1' });
	t.true(records.isHeldBy(VOLUME, 'mount-1'));
	t.like(records.nextInOutbox(), { authorizationId: 'auth-0' });
	records.addIdentity({ ...IDENTITY, dnsNames: ['api'], containerId: 'd'.repeat(64), taskId: 'task1' });
	t.like(records.identitiesOf(VOLUME)[1], { imageId: IDENTITY.imageId, taskId: 'task1' });
});
