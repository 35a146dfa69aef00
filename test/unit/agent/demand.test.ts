import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { LogFields } from '#common/runtime/log.ts';
import { watchDemands } from '../../../agent/demand.ts';
import { writeVolumeFile } from '../../../plugin/volume/volume-files.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const SERIAL = '0123456789abcdef0123456789abcdef';
const OWNER = { uid: process.getuid!(), gid: process.getgid!() };

function watched(t: ExecutionContext, directory = tmpfsDirectory(t)) {
	const warned: string[] = [];
	const demands = watchDemands(directory, { warn: (message: string, _fields?: LogFields) => void warned.push(message) });
	t.teardown(() => demands.close());
	return { directory, demands, warned, demand: (text: string) => writeVolumeFile(directory, 'rotate', text, 0o444, OWNER) };
}

test('the file that the plugin writes is noticed, and counts once', async (t) => {
	const { demands, demand } = watched(t);
	t.false(demands.take(SERIAL));
	const next = demands.next();
	const noticed = once(next, 'abort');
	await demand(`${SERIAL}\n`);
	await noticed;
	t.false(demands.take('f'.repeat(32)), 'it is about another certificate');
	t.true(demands.take(SERIAL));
	t.false(demands.take(SERIAL));
});

test('the same demand again counts again', async (t) => {
	const { demands, demand } = watched(t);
	for (let time = 0; time < 3; time++) {
		const noticed = once(demands.next(), 'abort');
		await demand(SERIAL);
		await noticed;
		t.true(demands.take(SERIAL));
	}
});

test('what was demanded before somebody looked is found', async (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'rotate'), SERIAL);
	t.true(watched(t, directory).demands.take(SERIAL));
});

test('other files of the directory, those that the agent writes among them, wake nobody', async (t) => {
	const { directory, demands, demand } = watched(t);
	const next = demands.next();
	const noticed = once(next, 'abort');
	mkdirSync(join(directory, '.generation-1'));
	symlinkSync('.generation-1', join(directory, 'now'));
	renameSync(join(directory, 'now'), join(directory, 'current'));
	await writeVolumeFile(directory, 'crl.pem', 'list', 0o444, OWNER);
	t.false(next.aborted);
	// Events come in their order: what came before this one woke nobody.
	await demand(SERIAL);
	await noticed;
	t.is(demands.next() === next, false);
	t.true(demands.take(SERIAL));
});

test('a link, a directory or a large file in its place demands nothing', async (t) => {
	const { directory, demands } = watched(t);
	writeFileSync(join(directory, 'elsewhere'), SERIAL);
	const put: ReadonlyArray<() => void> = [
		() => mkdirSync(join(directory, '.new')),
		() => symlinkSync('elsewhere', join(directory, '.new')),
		() => writeFileSync(join(directory, '.new'), SERIAL + ' '.repeat(1000)),
	];
	for (const make of put) {
		make();
		const noticed = once(demands.next(), 'abort');
		rmSync(join(directory, 'rotate'), { recursive: true, force: true });
		renameSync(join(directory, '.new'), join(directory, 'rotate'));
		await noticed;
		t.false(demands.take(SERIAL));
	}
});

test('a directory that cannot be watched is no reason to stop', (t) => {
	const { demands, warned } = watched(t, '/nonexistent');
	t.is(warned.length, 1);
	t.false(demands.take(SERIAL));
	t.false(demands.next().aborted);
});
