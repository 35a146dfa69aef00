/** On the real kernel, hence only for root. */

import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import anyTest, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { silentLogger } from '#common/runtime/log.ts';
import { bindOnto, mountPoints, unmount } from '../../../../plugin/volume/mount-calls.ts';
import { openTmpfs, type TmpfsOwner } from '../../../../plugin/volume/tmpfs.ts';

const test = process.getuid!() === 0 ? anyTest : anyTest.skip;
const TMPFS_MAGIC = 0x01021994;
const VOLUME = 'a'.repeat(64);

async function world(t: ExecutionContext) {
	const made = tmp.dirSync({ unsafeCleanup: true });
	const hidden: { reason?: string } = {};
	const deps = { hostDirectory: join(made.name, 'host'), volumesDirectory: join(made.name, 'volumes'), agentDirectory: join(made.name, 'agent'), problem: () => hidden.reason, logger: silentLogger };
	mkdirSync(deps.agentDirectory);
	writeFileSync(join(deps.agentDirectory, 'birthmark-agent'), 'agent', { mode: 0o755 });
	const tmpfs = await openTmpfs(deps);
	t.teardown(async () => {
		for (const volume of await tmpfs.present()) await tmpfs.unmount(volume);
		unmount(deps.agentDirectory);
		made.removeCallback();
	});
	return { tmpfs, deps, hidden, directory: made.name, path: tmpfs.path(VOLUME) };
}

const OWNER: TmpfsOwner = { uid: 0, gid: 0, mode: 0o700, sizeBytes: 1024 * 1024, inodes: 128, agentMode: 'none' };

test('a volume is a tmpfs of its owner, small, without devices or programs', async (t) => {
	const { tmpfs, path } = await world(t);
	await tmpfs.mount(VOLUME, { ...OWNER, uid: 1000, gid: 1001, mode: 0o750 });
	t.is(statfsSync(path).type, TMPFS_MAGIC);
	const { uid, gid, mode } = statSync(path);
	t.deepEqual([uid, gid, mode & 0o7777], [1000, 1001, 0o750]);
	const options = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').find((line) => line.split(' ')[4] === path)!;
	for (const option of ['noexec', 'nosuid', 'nodev', 'size=1024k', 'nr_inodes=128']) t.regex(options, new RegExp(`\\b${option}\\b`));
	if (tmpfs.abilities.noswap) t.regex(options, /\bnoswap\b/);
	t.throws(() => writeFileSync(join(path, 'big'), Buffer.alloc(2 * 1024 * 1024)), { code: 'ENOSPC' });
});

test('the agent is delivered, and not even root can write to it', async (t) => {
	const { tmpfs, path, deps } = await world(t);
	await tmpfs.mount(VOLUME, OWNER);
	t.is(readFileSync(join(path, 'bin/birthmark-agent'), 'utf8'), 'agent');
	for (const directory of [join(path, 'bin'), join(deps.hostDirectory, VOLUME, 'bin'), deps.agentDirectory]) {
		t.throws(() => writeFileSync(join(directory, 'birthmark-agent'), 'evil'), { code: 'EROFS' }, directory);
	}
});

test('a container that runs no agent is delivered none, nor when the plugin is back', async (t) => {
	const { tmpfs, path } = await world(t);
	await tmpfs.mount(VOLUME, { ...OWNER, agentMode: 'node' });
	t.deepEqual(readdirSync(path), []);
	unmount(path);
	t.true(await tmpfs.restore(VOLUME, 'node'));
	t.deepEqual(readdirSync(path), []);
});

test('nothing is mounted where it would reach no container', async (t) => {
	const { tmpfs, path, hidden } = await world(t);
	t.is(tmpfs.problem(), undefined);
	hidden.reason = 'what the plugin mounts does not reach containers';
	t.is(tmpfs.problem(), hidden.reason);
	await t.throwsAsync(tmpfs.mount(VOLUME, OWNER), { code: 'mount-failed', message: hidden.reason });
	t.false(existsSync(path));
});

test('unmounting leaves no mount and no directory, even while somebody uses it', async (t) => {
	const { tmpfs, path, directory } = await world(t);
	await tmpfs.mount(VOLUME, OWNER);
	const before = process.cwd();
	process.chdir(path);
	try {
		await tmpfs.unmount(VOLUME);
	} finally {
		process.chdir(before);
	}
	t.deepEqual((await mountPoints()).filter((point) => point.startsWith(directory) && point.includes(VOLUME)), []);
	t.false(existsSync(path));
	t.deepEqual(await tmpfs.present(), []);
	await t.notThrowsAsync(tmpfs.unmount(VOLUME));
});

test('a mount is fresh every time', async (t) => {
	const { tmpfs, path } = await world(t);
	await tmpfs.mount(VOLUME, OWNER);
	writeFileSync(join(path, 'tls.key'), 'old');
	await tmpfs.mount(VOLUME, OWNER);
	t.deepEqual(readdirSync(path), ['bin']);
});

test('what was unmounted below the plugin is bound again from the host, with the agent', async (t) => {
	const { tmpfs, path, deps } = await world(t);
	await tmpfs.mount(VOLUME, OWNER);
	writeFileSync(join(path, 'identity.pem'), 'x');
	unmount(path);
	unmount(join(deps.hostDirectory, VOLUME, 'bin'));
	t.true(await tmpfs.restore(VOLUME, 'none'));
	t.is(readFileSync(join(path, 'identity.pem'), 'utf8'), 'x');
	t.is(readFileSync(join(path, 'bin/birthmark-agent'), 'utf8'), 'agent');
	t.throws(() => writeFileSync(join(path, 'bin/x'), ''), { code: 'EROFS' });
	await tmpfs.unmount(VOLUME);
	t.false(await tmpfs.restore(VOLUME, 'none'));
});

test('a link in the place of the agent is not followed', async (t) => {
	const { directory, deps } = await world(t);
	const precious = join(directory, 'precious');
	mkdirSync(precious);
	mkdirSync(join(directory, 'real'));
	symlinkSync(precious, join(directory, 'bin'));
	await t.throwsAsync(bindOnto(deps.agentDirectory, join(directory, 'bin')));
	renameSync(join(directory, 'real'), join(directory, 'dir'));
	await bindOnto(deps.agentDirectory, join(directory, 'dir'));
	t.deepEqual(readdirSync(precious), []);
	t.deepEqual(readdirSync(join(directory, 'dir')), ['birthmark-agent']);
	unmount(join(directory, 'dir'));
});
