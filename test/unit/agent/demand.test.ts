import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { watchDemands } from '../../../agent/demand.ts';
import { writeVolumeFile } from '../../../plugin/volume/volume-files.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const SERIAL = '0123456789abcdef0123456789abcdef';
const isIt = (serial: string): boolean => serial === SERIAL;
const OWNER = { uid: process.getuid!(), gid: process.getgid!() };

const aborted = (signal: AbortSignal): Promise<unknown> => once(signal, 'abort');

/** The kernel's notice is in the hand of the test; the compiled agent gets it in keep.test.ts. */
function watched(t: ExecutionContext, directory = tmpfsDirectory(t), restMs?: number) {
	const told: string[] = [];
	let rename = (): void => undefined;
	let isEnded = false;
	const demands = watchDemands(directory, { info: (message: string) => void told.push(message) }, (_directory, onRename) => {
		rename = onRename;
		return () => void (isEnded = true);
	}, restMs);
	t.teardown(() => demands.close());
	const demand = async (text: string): Promise<void> => {
		await writeVolumeFile(directory, 'rotate', text, 0o444, OWNER);
		rename();
	};
	return { directory, demands, told, demand, rename: () => rename(), isEnded: () => isEnded };
}

test('the file that the plugin writes is noticed, and counts once', async (t) => {
	const { demands, demand } = watched(t);
	t.false(demands.take(isIt));
	const next = demands.next();
	await demand(`${SERIAL}\n`);
	t.true(next.aborted);
	t.true(demands.take(isIt));
	t.false(demands.take(isIt));
});

test('a demand for another certificate counts for nothing', async (t) => {
	const { demands, demand } = watched(t);
	await demand('f'.repeat(32));
	t.false(demands.take(isIt));
	await demand(SERIAL);
	t.true(demands.take(isIt));
});

test('the same demand again counts again', async (t) => {
	const { demands, demand } = watched(t, tmpfsDirectory(t), 1);
	for (let time = 0; time < 3; time++) {
		const told = aborted(demands.next());
		await demand(SERIAL);
		await told;
		t.true(demands.take(isIt));
	}
});

test('whoever demands in a loop is heard once in a while', async (t) => {
	const { demands, demand } = watched(t, tmpfsDirectory(t), 3_600_000);
	await demand(SERIAL);
	t.true(demands.take(isIt));
	const next = demands.next();
	await demand(SERIAL);
	t.false(next.aborted);
	t.false(demands.take(isIt));
});

test('a pipe in its place holds nobody up', (t) => {
	const { directory, demands } = watched(t);
	execFileSync('mkfifo', [join(directory, 'rotate')]);
	t.false(demands.take(isIt));
});

test('renames after the file was removed wake nobody', async (t) => {
	const { directory, demands, demand, rename } = watched(t, tmpfsDirectory(t), 1);
	const first = aborted(demands.next());
	await demand(SERIAL);
	await first;
	t.false(demands.take(() => false));
	rmSync(join(directory, 'rotate'));
	const next = demands.next();
	rename();
	t.false(next.aborted);
});

test('what was demanded before somebody looked is found, and so is what nobody was told of', async (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'rotate'), SERIAL);
	const { demands } = watched(t, directory, 1);
	t.true(demands.take(isIt));
	await writeVolumeFile(directory, 'rotate', SERIAL, 0o444, OWNER);
	while (!demands.take(isIt)) await setImmediate();
	t.false(demands.take(isIt), 'it is taken once');
});

test('renames of other files wake nobody, also when a demand was obeyed before', async (t) => {
	const { demands, demand, rename } = watched(t);
	const first = demands.next();
	rename();
	t.false(first.aborted);
	await demand(SERIAL);
	t.true(demands.take(isIt));
	const second = demands.next();
	rename();
	t.false(second.aborted);
});

test('a link, a directory or a large file in its place demands nothing', (t) => {
	const { directory, demands, rename } = watched(t);
	writeFileSync(join(directory, 'elsewhere'), SERIAL);
	const put: ReadonlyArray<() => void> = [
		() => mkdirSync(join(directory, '.new')),
		() => symlinkSync('elsewhere', join(directory, '.new')),
		() => writeFileSync(join(directory, '.new'), SERIAL + ' '.repeat(1000)),
	];
	for (const make of put) {
		make();
		rmSync(join(directory, 'rotate'), { recursive: true, force: true });
		renameSync(join(directory, '.new'), join(directory, 'rotate'));
		rename();
		t.false(demands.take(isIt));
	}
});

test('a directory of which no notice can be had is looked at all the same', (t) => {
	const directory = tmpfsDirectory(t);
	const told: string[] = [];
	const demands = watchDemands(directory, { info: (message: string) => void told.push(message) }, () => {
		throw new Error('fcntl');
	});
	t.is(told.length, 1);
	writeFileSync(join(directory, 'rotate'), SERIAL);
	t.true(demands.take(isIt));
	demands.close();
});

test('notice ends with the watch', async (t) => {
	const { demands, demand, isEnded } = watched(t);
	const next = demands.next();
	demands.close();
	t.true(isEnded());
	await demand(SERIAL);
	t.false(next.aborted);
});
