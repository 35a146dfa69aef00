/** Files that are whole or not there: modes, owners, failures, and being killed in the middle. */

import test from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';
import { temporaryFolder } from '../../../support/ca.ts';

const isRoot = process.getuid?.() === 0;

test('a new file has the contents and nothing is left beside it', async (t) => {
	const folder = temporaryFolder(t);
	await writeFileAtomic(join(folder, 'text'), 'é', 0o600);
	await writeFileAtomic(join(folder, 'bytes'), Buffer.of(0, 255), 0o600);
	await writeFileAtomic(join(folder, 'empty'), '', 0o600);
	t.is(readFileSync(join(folder, 'text'), 'utf8'), 'é');
	t.deepEqual(readFileSync(join(folder, 'bytes')), Buffer.of(0, 255));
	t.is(statSync(join(folder, 'empty')).size, 0);
	t.deepEqual(readdirSync(folder).sort(), ['bytes', 'empty', 'text']);
});

test.serial('the mode is the one asked for, whatever the umask and the old file say', async (t) => {
	const folder = temporaryFolder(t);
	const path = join(folder, 'file');
	const before = process.umask(0o077);
	t.teardown(() => process.umask(before));
	for (const mode of [0o400, 0o644, 0o600, 0o666]) {
		await writeFileAtomic(path, String(mode), mode);
		t.is(statSync(path).mode & 0o7777, mode);
		t.is(readFileSync(path, 'utf8'), String(mode));
	}
});

(isRoot ? test : test.skip)('the owner is the one asked for', async (t) => {
	const path = join(temporaryFolder(t), 'file');
	await writeFileAtomic(path, 'x', 0o400, { uid: 1234, gid: 4321 });
	const { uid, gid, mode } = statSync(path);
	t.deepEqual({ uid, gid, mode: mode & 0o7777 }, { uid: 1234, gid: 4321, mode: 0o400 });
});

test('what a crash left behind is in nobody\'s way', async (t) => {
	const folder = temporaryFolder(t);
	const path = join(folder, 'file');
	writeFileSync(`${path}.0123456789ab.tmp`, 'half', { mode: 0o400 });
	await writeFileAtomic(path, 'whole', 0o600);
	t.is(readFileSync(path, 'utf8'), 'whole');
	t.is(readFileSync(`${path}.0123456789ab.tmp`, 'utf8'), 'half');
});

test('a link is replaced, not followed', async (t) => {
	const folder = temporaryFolder(t);
	writeFileSync(join(folder, 'other'), 'other');
	symlinkSync('other', join(folder, 'file'));
	await writeFileAtomic(join(folder, 'file'), 'new', 0o600);
	t.true(lstatSync(join(folder, 'file')).isFile());
	t.is(readFileSync(join(folder, 'other'), 'utf8'), 'other');
});

test('a reader that has the old file open keeps it', async (t) => {
	const path = join(temporaryFolder(t), 'file');
	writeFileSync(path, 'old');
	const { ino } = statSync(path);
	await writeFileAtomic(path, 'new', 0o600);
	t.not(statSync(path).ino, ino);
});

test('when the contents cannot be written the old file stays, with its mode, and nothing else', async (t) => {
	const folder = temporaryFolder(t);
	const path = join(folder, 'file');
	writeFileSync(path, 'old');
	chmodSync(path, 0o640);
	await t.throwsAsync(writeFileAtomic(path, 7 as unknown as string, 0o600), { instanceOf: TypeError });
	t.is(readFileSync(path, 'utf8'), 'old');
	t.is(statSync(path).mode & 0o7777, 0o640);
	t.deepEqual(readdirSync(folder), ['file']);
});

test('when the name is taken by a directory nothing is left behind', async (t) => {
	const folder = temporaryFolder(t);
	mkdirSync(join(folder, 'file'));
	writeFileSync(join(folder, 'file/inner'), '');
	await t.throwsAsync(writeFileAtomic(join(folder, 'file'), 'x', 0o600), { code: 'EISDIR' });
	t.deepEqual(readdirSync(folder), ['file']);
	t.true(statSync(join(folder, 'file')).isDirectory());
});

test('a folder that is not there is the caller\'s fault', async (t) => {
	await t.throwsAsync(writeFileAtomic(join(temporaryFolder(t), 'missing/file'), 'x', 0o600), { code: 'ENOENT' });
});

test('many writers at once leave one whole file', async (t) => {
	const folder = temporaryFolder(t);
	const path = join(folder, 'file');
	const contents = Array.from({ length: 16 }, (_, index) => String.fromCharCode(97 + index).repeat(50_000));
	await Promise.all(contents.map((data) => writeFileAtomic(path, data, 0o600)));
	t.true(contents.includes(readFileSync(path, 'utf8')));
	t.deepEqual(readdirSync(folder), ['file']);
});

test('killed while it writes, it leaves the old file or the new one', async (t) => {
	const folder = temporaryFolder(t);
	const path = join(folder, 'file');
	const script = `
		import { writeFileAtomic } from ${JSON.stringify(import.meta.resolve('#common/runtime/atomic-file.ts'))};
		for (let round = 0; ; round++) {
			await writeFileAtomic(process.argv[1], String(round % 10).repeat(200_000), 0o600);
			process.stdout.write('written\\n');
		}`;
	for (let life = 0; life < 3; life++) {
		const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
		t.teardown(() => child.kill('SIGKILL'));
		const ended = once(child, 'exit');
		let lines = 0;
		for await (const _ of createInterface({ input: child.stdout! })) if (++lines === 5 + life) break;
		child.kill('SIGKILL');
		await ended;
		t.regex(readFileSync(path, 'utf8'), /^(\d)\1{199999}$/);
		t.is(statSync(path).mode & 0o7777, 0o600);
	}
});
