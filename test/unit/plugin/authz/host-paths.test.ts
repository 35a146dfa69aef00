import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import tmp from 'tmp';
import { isWithin, overlaps, resolveOnHost } from '../../../../plugin/authz/host-paths.ts';

function host(t: { teardown(end: () => void): void }): string {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => directory.removeCallback());
	mkdirSync(join(directory.name, 'run/birthmark'), { recursive: true });
	mkdirSync(join(directory.name, 'var'));
	mkdirSync(join(directory.name, 'home'));
	return directory.name;
}

test('absolute links are followed within the host, not within the plugin', async (t) => {
	const root = host(t);
	symlinkSync('/run', join(root, 'var/run'));
	t.is(await resolveOnHost(root, '/var/run/birthmark'), '/run/birthmark');
});

test('relative links and links to links are followed', async (t) => {
	const root = host(t);
	symlinkSync('../var/x', join(root, 'home/a'));
	symlinkSync('/run/birthmark', join(root, 'var/x'));
	t.is(await resolveOnHost(root, '/home/a/deeper'), '/run/birthmark/deeper');
});

test('".." goes up from where a link led, and never above the root', async (t) => {
	const root = host(t);
	symlinkSync('/run/birthmark', join(root, 'home/a'));
	t.is(await resolveOnHost(root, '/home/a/..'), '/run');
	t.is(await resolveOnHost(root, '/../../home//./x/..'), '/home');
});

test('what does not exist is kept', async (t) => {
	t.is(await resolveOnHost(host(t), '/nothing/here'), '/nothing/here');
});

test('a loop of links has no end, hence no answer', async (t) => {
	const root = host(t);
	symlinkSync('b', join(root, 'home/a'));
	symlinkSync('a', join(root, 'home/b'));
	t.is(await resolveOnHost(root, '/home/a'), undefined);
});

test('a path that is longer than one can be leads nowhere, and is not followed', async (t) => {
	const root = host(t);
	t.is(await resolveOnHost(root, '/a'.repeat(2 ** 20)), undefined);
	symlinkSync('/b'.repeat(2000), join(root, 'home/far'));
	t.is(await resolveOnHost(root, `/home/far${'/c'.repeat(100)}`), undefined);
	t.is(await resolveOnHost(root, '/a'.repeat(2048)), '/a'.repeat(2048));
});

test('what leads through the directory of a process is another directory for everybody who looks', async (t) => {
	const root = host(t);
	symlinkSync('/proc/self/cwd', join(root, 'home/here'));
	for (const path of ['/proc/self/root/etc', '/proc/thread-self/cwd', '/proc/1/root', '/home/here/x', '/proc/self']) t.is(await resolveOnHost(root, path), undefined, path);
	for (const path of ['/proc', '/proc/sys/kernel', '/proc/selfish']) t.is(await resolveOnHost(root, path), path);
});

test('a directory overlaps with itself, what is above and what is below, not with its neighbours', (t) => {
	for (const path of ['/', '/run', '/run/birthmark', '/run/birthmark/x']) t.true(overlaps(path, '/run/birthmark'), path);
	for (const path of ['/run/birthmark2', '/run/birth', '/var']) t.false(overlaps(path, '/run/birthmark'), path);
	t.true(isWithin('/a', '/'));
	t.false(isWithin('/', '/a'));
});
