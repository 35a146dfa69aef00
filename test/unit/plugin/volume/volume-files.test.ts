import { lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { writeVolumeFile } from '../../../../plugin/volume/volume-files.ts';

const owner = { uid: process.getuid!(), gid: process.getgid!() };

function directory(t: ExecutionContext): string {
	const made = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => made.removeCallback());
	return made.name;
}

test('a file gets its contents and mode', async (t) => {
	const path = directory(t);
	await writeVolumeFile(path, 'token', 'x', 0o400, owner);
	t.is(readFileSync(join(path, 'token'), 'utf8'), 'x');
	t.is(lstatSync(join(path, 'token')).mode & 0o777, 0o400);
	t.deepEqual(readdirSync(path), ['token']);
});

test('a link in its place is replaced, not followed', async (t) => {
	const path = directory(t);
	const elsewhere = join(directory(t), 'host-file');
	writeFileSync(elsewhere, 'precious');
	symlinkSync(elsewhere, join(path, 'crl.pem'));
	await writeVolumeFile(path, 'crl.pem', 'list', 0o444, owner);
	t.is(readFileSync(elsewhere, 'utf8'), 'precious');
	t.true(lstatSync(join(path, 'crl.pem')).isFile());
});

test('a directory in its place is an error that leaves nothing behind', async (t) => {
	const path = directory(t);
	mkdirSync(join(path, 'crl.pem'));
	await t.throwsAsync(writeVolumeFile(path, 'crl.pem', 'list', 0o444, owner), { code: 'EISDIR' });
	t.deepEqual(readdirSync(path), ['crl.pem']);
});
