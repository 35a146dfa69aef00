import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { followRevocationList, type ApplicationList } from '../../../agent/revocation-list.ts';
import { createPki, revocationLists } from '../../fakes/ca.ts';
import { writeVolumeFile } from '../../../plugin/volume/volume-files.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();
const OWNER = { uid: process.getuid!(), gid: process.getgid!() };
const MADE = Date.UTC(2030, 0, 1);
const HOUR_MS = 3_600_000;
const list = (revoked: number, madeAt = MADE): string => revocationLists(pki, Array.from({ length: revoked }, (_, index) => `4a${index.toString(16).padStart(6, '0')}`), madeAt);
const tick = () => new Promise(setImmediate);

/** Time is what is slept; the kernel's notice is in the hand of the test. */
async function follow(t: ExecutionContext, first: string | undefined = list(0)) {
	const directory = tmpfsDirectory(t);
	const write = (text: string) => writeVolumeFile(directory, 'crl.pem', text, 0o444, OWNER);
	if (first !== '') await write(first);
	let ms = 0;
	let notice = (): void => undefined;
	let isEnded = false;
	const end = new AbortController();
	const follower = followRevocationList(directory, {
		random: () => 0.5,
		now: () => ms,
		async sleep(milliseconds, signal) {
			ms += milliseconds;
			await tick();
			if (signal.aborted) throw signal.reason;
		},
		logger: { info: () => undefined },
		notice: (_directory, onRename) => {
			notice = onRename;
			return () => void (isEnded = true);
		},
	});
	/** each time when it was due, in seconds */
	const due: number[] = [];
	const replace = async (text: string): Promise<void> => {
		await write(text);
		notice();
		for (let turn = 0; turn < 20; turn++) await tick();
	};
	/** Does what the agent does: tells the application whenever it is due. */
	const keepTold = async (list: ApplicationList = follower): Promise<void> => {
		while (!end.signal.aborted) {
			await list.due(end.signal);
			due.push(Math.round(ms / 1000));
			list.reading();
		}
	};
	const pass = (seconds: number): void => void (ms += seconds * 1000);
	const begin = async (): Promise<void> => {
		const told = keepTold();
		t.teardown(() => {
			end.abort();
			return told.catch((error: unknown) => {
				if (error !== end.signal.reason) throw error;
			});
		});
		for (let turn = 0; turn < 20; turn++) await tick();
	};
	return { directory, follower, due, replace, write, begin, pass, end, time: () => ms, isEnded: () => isEnded, notice: () => notice() };
}

test('whoever is revoked while the application runs makes it due, a moment later', async (t) => {
	const { due, replace, begin, pass } = await follow(t);
	await begin();
	t.deepEqual(due, []);
	pass(1000);
	await replace(list(1));
	t.deepEqual(due, [1011]);
	pass(1000);
	await replace(list(2));
	t.deepEqual(due, [1011, 2022]);
});

test('what changed before anybody waited is found', async (t) => {
	const { due, write, begin } = await follow(t);
	await write(list(1));
	await begin();
	t.deepEqual(due, [10], 'not in the first seconds of an application');
});

test('a storm of revocations costs few reloads, and the last one counts', async (t) => {
	const it = await follow(t);
	const { follower, due, write } = it;
	let revoked = 0;
	const signal = new AbortController().signal;
	while ((due.at(-1) ?? 0) < 600) {
		await write(list(++revoked));
		it.notice();
		await follower.due(signal);
		due.push(Math.round(it.time() / 1000));
		// Another one as soon as it was told.
		follower.reading();
	}
	t.deepEqual(due.slice(0, 7), [10, 20, 40, 80, 140, 200, 260]);
	await write(list(++revoked));
	it.notice();
	await follower.due(signal);
	t.pass('what came during the rest is not forgotten');
});

test('one revocation now and then is told at once, many of them once a minute, and after calm it is as before', async (t) => {
	const { due, replace, begin, pass } = await follow(t);
	let revoked = 0;
	await begin();
	const reloads = async (everySeconds: number, times: number): Promise<number[]> => {
		const first = due.length;
		for (let time = 0; time < times; time++) {
			pass(everySeconds);
			await replace(list(++revoked));
		}
		return due.slice(first + 1).map((seconds, index) => seconds - due[first + index]!);
	};
	// The rest passes while nothing changes; the second is the moment in which others may come along.
	t.deepEqual(await reloads(300, 4), [311, 311, 311]);
	t.deepEqual(await reloads(5, 6), [26, 46, 66, 66, 66]);
	pass(120);
	t.deepEqual(await reloads(5, 2), [16]);
});

test('a newer list with the same names is read when a third of the life of the one before is over', async (t) => {
	const { due, replace, begin, pass } = await follow(t);
	await begin();
	for (let hour = 1; hour <= 24; hour++) {
		pass(3600);
		await replace(list(0, MADE + hour * HOUR_MS));
	}
	t.deepEqual(due.map((seconds) => Math.floor(seconds / 3600)), [8, 16, 24]);
});

test('a list too long to be read in a small container is another one whenever it is made anew', async (t) => {
	const [long, newer] = [MADE, MADE + HOUR_MS].map((madeAt) => list(0, madeAt).repeat(2000)) as [string, string];
	t.true(long.length > 1 << 20);
	const { due, replace, begin, pass } = await follow(t, long);
	await begin();
	pass(3600);
	await replace(long);
	t.deepEqual(due, []);
	await replace(newer);
	t.is(due.length, 1);
});

test('what the application has read with a new certificate it need not be told of', async (t) => {
	const { follower, due, begin, write, notice } = await follow(t);
	await write(list(1));
	follower.reading();
	await begin();
	notice();
	for (let turn = 0; turn < 20; turn++) await tick();
	t.deepEqual(due, []);
});

test('the same list again, as from a plugin that was started anew, is nothing new', async (t) => {
	const { due, replace, begin } = await follow(t, list(3));
	await begin();
	await replace(list(3));
	t.deepEqual(due, []);
});

test('something else in its place, or nothing, keeps nobody from following it', async (t) => {
	const { directory, due, replace, begin, pass, notice } = await follow(t, '');
	await begin();
	const settle = async (): Promise<void> => {
		notice();
		for (let turn = 0; turn < 20; turn++) await tick();
	};
	writeFileSync(join(directory, 'elsewhere'), 'x');
	symlinkSync('elsewhere', join(directory, 'crl.pem'));
	await settle();
	t.deepEqual(due, []);
	rmSync(join(directory, 'crl.pem'));
	await settle();
	t.deepEqual(due, []);
	pass(100);
	await replace('no list');
	t.is(due.length, 1);
	pass(100);
	await replace(list(1));
	t.is(due.length, 2);
});

test('without notice it is found by whoever looks, and it ends', async (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'crl.pem'), list(0));
	const told: string[] = [];
	const signal = new AbortController().signal;
	const follower = followRevocationList(directory, {
		random: () => 0,
		now: () => 0,
		sleep: async () => undefined,
		logger: { info: (message: string) => void told.push(message) },
		notice: () => {
			throw new Error('fcntl');
		},
	});
	t.is(told.length, 1);
	const due = follower.due(signal);
	await tick();
	await writeVolumeFile(directory, 'crl.pem', list(1), 0o444, OWNER);
	follower.look();
	await due;
	follower.close();
	const { follower: other, isEnded } = await follow(t);
	other.close();
	t.true(isEnded());
});
