/** The file of the host is what it is at the moment of a decision; what cannot be relied on permits nothing. */

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { loadCedar } from '#common/policy/cedar.ts';
import { createPolicy } from '#common/policy/policy.ts';
import { NO_FACTS } from '#common/policy/request.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { createPolicyFile } from '../../../../plugin/policy/policy-file.ts';
import { temporaryFolder } from '../../../support/ca.ts';

const cedar = await loadCedar();
const PATH = '/etc/birthmark/policy.cedar';
const ALL = '@id("all") permit (principal, action, resource);';
const NOBODY = '// nothing\n';
let slots = 0;

function host(t: ExecutionContext) {
	const root = temporaryFolder(t);
	const hostRoot = join(root, 'host');
	mkdirSync(join(hostRoot, 'etc/birthmark'), { recursive: true });
	const lines: string[] = [];
	const slot = `file-${slots++}`;
	const loads: unknown[] = [];
	const open = (path = PATH) => createPolicyFile({
		path, hostRoot, markerPath: join(root, 'marker'),
		load: async (file) => {
			loads.push(file);
			return createPolicy(cedar, file, slot);
		},
		// Far enough that what a test writes has settled.
		now: () => Date.now() + 10_000,
		logger: { info: (message) => void lines.push(message), warn: (message) => void lines.push(message) },
	});
	const file = join(hostRoot, PATH);
	return { hostRoot, marker: join(root, 'marker'), file, open, lines, loads, write: (text: string) => writeFileSync(file, text, { mode: 0o644 }) };
}

const mayExec = async (file: ReturnType<typeof createPolicyFile>) => (await file.current()).decide({ caller: 'local', action: 'exec', container: NO_FACTS }).allowed;

test('without a file the built-in rules hold, and it is said', async (t) => {
	const { open, lines } = host(t);
	const file = open();
	await file.refresh();
	t.is(file.state(), 'none');
	t.false((await file.current()).hasFile);
	t.is(lines.length, 1);
});

test('a file holds from the moment it is there, and a change of it from the next decision', async (t) => {
	const { open, write, loads } = host(t);
	const file = open();
	t.false(await mayExec(file));
	write(ALL);
	t.true(await mayExec(file));
	t.true(await mayExec(file));
	t.is(loads.length, 2, 'what has not changed is not read again');
	write(NOBODY);
	t.false(await mayExec(file));
	t.regex(file.state()!, /^[0-9a-f]{64}$/);
});

test('a change within the same tick, of the same size, is seen', async (t) => {
	const { hostRoot, file: path } = host(t);
	const loads: string[] = [];
	const file = createPolicyFile({
		path: PATH, hostRoot, markerPath: join(hostRoot, 'marker'), now: Date.now, logger: { info: () => {}, warn: () => {} },
		load: async (source) => {
			loads.push(source!.text);
			return createPolicy(cedar, source, 'tick');
		},
	});
	writeFileSync(path, '// a', { mode: 0o644 });
	await file.current();
	writeFileSync(path, '// b', { mode: 0o644 });
	utimesSync(path, new Date(0), new Date(0));
	await file.current();
	t.deepEqual(loads, ['// a', '// b']);
});

test('a file with a fault permits nothing, until it is mended', async (t) => {
	const { open, write, lines } = host(t);
	const file = open();
	write('permit (principal, action, resource);');
	await t.throwsAsync(file.current(), { instanceOf: BirthmarkError, code: 'policy-invalid', message: /policy\.cedar has a fault in line 1, column 1: the rule has no id/ });
	t.regex(file.state()!, /line 1, column 1/);
	t.true(lines.some((line) => line.includes('faulty')));
	write(ALL);
	t.true(await mayExec(file));
});

test('a file that was there and is gone permits nothing, also after a restart', async (t) => {
	const { open, write, file: path } = host(t);
	const file = open();
	write(ALL);
	t.true(await mayExec(file));
	rmSync(path);
	await t.throwsAsync(file.current(), { code: 'policy-invalid', message: /was there and is gone.*put it back/ });
	await t.throwsAsync(open().current(), { code: 'policy-invalid' });
	// Another setting is another file.
	t.false(await mayExec(open('/etc/birthmark/other.cedar')));
	write(NOBODY);
	t.false(await mayExec(file));
});

test('where it cannot be known whether there was a file, nothing is permitted', async (t) => {
	const { open, marker } = host(t);
	mkdirSync(marker);
	await t.throwsAsync(open().current(), { code: 'policy-invalid', message: /EISDIR/ } as never);
});

test('links are followed on the host, not where the plugin is', async (t) => {
	const { hostRoot, open, file } = host(t);
	mkdirSync(join(hostRoot, 'srv'));
	writeFileSync(join(hostRoot, 'srv/policy'), ALL, { mode: 0o644 });
	symlinkSync('/srv/policy', file);
	t.true(await mayExec(open()));
});

for (const [title, spoil, message] of [
	['a file that others may write', (file: string) => chmodSync(file, 0o666), /others than root.*chmod go-w/],
	['a file that belongs to somebody else', (file: string) => chownSync(file, 1000, 1000), /others than root/],
	['a file that is too large', (file: string) => writeFileSync(file, ' '.repeat(300_000)), /larger than 256 KiB/],
	['a file that is no text', (file: string) => writeFileSync(file, new Uint8Array([0x2f, 0x2f, 0xff])), /not valid UTF-8/],
	['a pipe that nobody writes to', (file: string) => (rmSync(file), void execFileSync('mkfifo', [file])), /no file/],
	['a directory in its place', (file: string) => (rmSync(file), mkdirSync(file)), /no file|cannot be read/],
	['a link to itself', (file: string) => (rmSync(file), symlinkSync(PATH, file)), /links without end/],
	['a host that cannot be seen', (file: string) => renameSync(file.slice(0, -PATH.length), `${file.slice(0, -PATH.length)}-away`), /cannot be seen/],
] as const) {
	test(`${title} permits nothing`, async (t) => {
		const { open, write, file } = host(t);
		write(ALL);
		spoil(file);
		await t.throwsAsync(open().current(), { instanceOf: BirthmarkError, code: 'policy-invalid', message });
	});
}

test('a permit for others to write is seen although nothing else has changed', async (t) => {
	const { open, write, file: path } = host(t);
	const file = open();
	write(ALL);
	await file.current();
	chmodSync(path, 0o666);
	await t.throwsAsync(file.current(), { code: 'policy-invalid' });
	t.is(readFileSync(path, 'utf8'), ALL);
});
