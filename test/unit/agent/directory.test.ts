import test from 'ava';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { readTokenFile, requireDirectory } from '../../../agent/directory.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const NOBODY = 65_534;
const isRoot = process.geteuid!() === 0;

const refusal = (run: () => unknown): { code: ErrorCode; message: string } | undefined => {
	try {
		run();
	} catch (error) {
		if (error instanceof BirthmarkError) return error;
		throw error;
	}
	return undefined;
};

test('a tmpfs of the agent\'s own user is accepted, with other users looking on or not', (t) => {
	const directory = tmpfsDirectory(t);
	for (const mode of [0o700, 0o750, 0o755]) {
		chmodSync(directory, mode);
		t.is(refusal(() => requireDirectory(directory)), undefined);
	}
});

test('a directory on a disk is refused, and one that is not there', (t) => {
	const directory = mkdtempSync(join(tmpdir(), 'birthmark-test-'));
	t.teardown(() => rmSync(directory, { recursive: true }));
	t.is(refusal(() => requireDirectory(directory))?.code, 'directory-not-tmpfs');
	t.is(refusal(() => requireDirectory(join(directory, 'x')))?.code, 'directory-unusable');
});

// Whoever can write into it could put links in the way, and have the agent's rights used elsewhere.
for (const mode of [0o770, 0o702, 0o1777]) {
	test(`a directory with mode ${mode.toString(8)}, into which others can write, is refused`, (t) => {
		const directory = tmpfsDirectory(t);
		chmodSync(directory, mode);
		t.regex(refusal(() => requireDirectory(directory))?.message ?? '', /other users can write/);
	});
}

(isRoot ? test : test.skip)('a directory of another user is refused, also by root', (t) => {
	const directory = tmpfsDirectory(t);
	chownSync(directory, NOBODY, NOBODY);
	const error = refusal(() => requireDirectory(directory));
	t.is(error?.code, 'directory-unusable');
	t.regex(error?.message ?? '', /belongs to user 65534.*runs as user 0/);
});

test('a token is read without the white space around it', (t) => {
	const path = join(tmpfsDirectory(t), 'token');
	writeFileSync(path, ' BMKTKN-1\n');
	t.is(readTokenFile(path), 'BMKTKN-1');
});

test('a file that is no token is not read to its end', (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'token'), 'x'.repeat(8000));
	t.is(refusal(() => readTokenFile(join(directory, 'token')))?.code, 'token-malformed');
	t.is(refusal(() => readTokenFile('/dev/zero'))?.code, 'token-malformed');
	t.is(refusal(() => readTokenFile(directory))?.code, 'token-malformed');
});

test('a pipe in place of the token does not hold the agent up', (t) => {
	const path = join(tmpfsDirectory(t), 'token');
	execFileSync('mkfifo', [path]);
	t.is(refusal(() => readTokenFile(path))?.code, 'token-malformed');
});
