import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { createKeyedLock } from '../../../../plugin/volume/keyed-lock.ts';
import { createNotices } from '../../../../plugin/volume/notices.ts';

const DEMAND = { authorizationId: 'auth-1', serial: '00ff' };

function world(t: ExecutionContext) {
	const { name, removeCallback } = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => removeCallback());
	const mounted = new Set(['one', 'two']);
	for (const volume of mounted) mkdirSync(join(name, volume));
	const lock = createKeyedLock();
	const told: string[] = [];
	const tell = (message: string): void => void told.push(message);
	let writes = 0;
	const path = (volume: string): string => {
		writes++;
		return join(name, volume);
	};
	const notices = createNotices({ lock, isMounted: (volume) => mounted.has(volume), path, logger: { debug: tell, warn: tell } });
	const read = (volume: string, file = 'crl.pem') => readFileSync(join(name, volume, file), 'utf8');
	/** Somebody has the volume. @returns what gives it back */
	const hold = (volume: string): (() => void) => {
		const { promise, resolve } = Promise.withResolvers<void>();
		void lock(volume, () => promise);
		return resolve;
	};
	return { notices, mounted, told, hold, read, directory: name, writes: () => writes };
}

test('while a start has one volume the list comes to the others, and in the end the newest to that one', async (t) => {
	const { notices, hold, read, directory, writes } = world(t);
	const release = hold('one');
	const all: Promise<void>[] = [];
	for (const text of ['1', '2', '3']) {
		all.push(notices.revocationList(['one', 'two'], text));
		await notices.revocationList(['two'], text);
		t.is(read('two'), text);
	}
	t.false(existsSync(join(directory, 'one/crl.pem')));
	const before = writes();
	release();
	await Promise.all(all);
	t.is(read('one'), '3');
	t.is(writes(), before + 1, 'once');
	await notices.revocationList(['one'], '4');
	t.is(read('one'), '4');
});

test('a demand waits for its volume alone', async (t) => {
	const { notices, hold, read } = world(t);
	const release = hold('one');
	const first = notices.renewal('one', DEMAND);
	await notices.renewal('two', DEMAND);
	t.is(read('two', 'rotate'), '00ff\n');
	release();
	await first;
	t.is(read('one', 'rotate'), '00ff\n');
});

test('nothing is written where nothing is mounted any more', async (t) => {
	const { notices, mounted, hold, directory } = world(t);
	const release = hold('one');
	const writing = Promise.all([notices.revocationList(['one'], '1'), notices.renewal('one', DEMAND)]);
	mounted.delete('one');
	release();
	await writing;
	for (const file of ['crl.pem', 'rotate']) t.false(existsSync(join(directory, 'one', file)));
});

test('a volume that cannot be written is told of, and written when it can be', async (t) => {
	const { notices, directory, told, read } = world(t);
	rmSync(join(directory, 'one'), { recursive: true });
	await notices.revocationList(['one', 'two'], '1');
	await notices.renewal('one', DEMAND);
	t.deepEqual(told, ['the revocation list could not be written', 'an agent could not be told to renew']);
	t.is(read('two'), '1');
	mkdirSync(join(directory, 'one'));
	await notices.revocationList(['one', 'two'], '2');
	t.is(read('one'), '2');
});
