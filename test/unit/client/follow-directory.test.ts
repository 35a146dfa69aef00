import test from 'ava';
import { EventEmitter } from 'node:events';
import { mkdirSync, renameSync, rmdirSync, symlinkSync, unlinkSync, writeFileSync, type watch } from 'node:fs';
import { join } from 'node:path';
import { followDirectory } from '../../../client/follow-directory.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

class FakeWatcher extends EventEmitter {
	ref(): void {}
	unref(): void {}
	close(): void {}
}

/** A kernel that gives a watch only when `has` is true. */
function kernel() {
	const opened = { has: false, watchers: [] as FakeWatcher[] };
	const open = () => {
		if (!opened.has) throw Object.assign(new Error('too many open files, watch'), { code: 'EMFILE' });
		const watcher = new FakeWatcher();
		opened.watchers.push(watcher);
		return watcher;
	};
	return { opened, open: open as unknown as typeof watch };
}

function put(directory: string, name: string, text: string): void {
	writeFileSync(join(directory, '.new'), text);
	renameSync(join(directory, '.new'), join(directory, name));
}

/** Resolves at the next change. */
function changes() {
	let wake = (): void => {};
	return { onChange: () => wake(), next: () => new Promise<void>((resolve) => (wake = resolve)) };
}

test('where the kernel has no watch left the directory is looked at, until it has one', async (t) => {
	const directory = join(tmpfsDirectory(t), 'late');
	const { opened, open } = kernel();
	const { onChange, next } = changes();
	const follow = followDirectory(directory, { names: ['a', 'b'], onChange, onFault: (cause) => t.fail(cause.message), intervalMs: 5, watch: open });
	t.teardown(() => follow.close());
	follow.ref();
	let changed = next();
	mkdirSync(directory);
	put(directory, 'a', '1');
	await changed;
	changed = next();
	put(directory, 'a', '2');
	await changed;
	t.is(opened.watchers.length, 0);
	// The change from looking to watching is told as well: something may have happened in between.
	changed = next();
	opened.has = true;
	await changed;
	t.is(opened.watchers.length, 1);
	changed = next();
	opened.watchers[0]!.emit('change', 'rename', 'b');
	await changed;
	t.is(opened.watchers.length, 1);
});

test('a watch that is lost because the directory was replaced, with none left, is replaced by looking', async (t) => {
	const root = tmpfsDirectory(t);
	const directory = join(root, 'identity');
	mkdirSync(directory);
	const { opened, open } = kernel();
	opened.has = true;
	const { onChange, next } = changes();
	const faults: string[] = [];
	const follow = followDirectory(directory, { names: ['a'], onChange, onFault: (cause) => faults.push(cause.message), intervalMs: 5, watch: open });
	t.teardown(() => follow.close());
	follow.ref();
	opened.has = false;
	let changed = next();
	renameSync(directory, join(root, 'old'));
	opened.watchers[0]!.emit('change', 'rename', 'identity');
	await changed;
	changed = next();
	mkdirSync(directory);
	put(directory, 'a', '1');
	await changed;
	t.deepEqual(faults, []);
});

test('looking goes on where a directory may be looked into and not be watched, and where it may not be looked into for a while', async (t) => {
	const directory = join(tmpfsDirectory(t), 'identity');
	mkdirSync(directory);
	let code = 'EMFILE';
	let tried = (): void => {};
	const open = (): never => {
		tried();
		throw Object.assign(new Error('no watch'), { code });
	};
	const { onChange, next } = changes();
	const faults: string[] = [];
	const follow = followDirectory(directory, { names: ['a'], onChange, onFault: (cause) => faults.push(cause.message), intervalMs: 5, watch: open as never });
	t.teardown(() => follow.close());
	follow.ref();
	code = 'EACCES';
	for (let times = 0; times < 3; times++) await new Promise<void>((resolve) => (tried = resolve));
	// Nobody gets behind it, not even root.
	rmdirSync(directory);
	let changed = next();
	symlinkSync('identity', directory);
	await changed;
	changed = next();
	unlinkSync(directory);
	mkdirSync(directory);
	put(directory, 'a', '1');
	await changed;
	t.deepEqual(faults, []);
});

test('any other fault is told', (t) => {
	const directory = tmpfsDirectory(t);
	const denied = () => {
		throw Object.assign(new Error('permission denied'), { code: 'EACCES' });
	};
	t.throws(() => followDirectory(directory, { names: ['a'], onChange: () => {}, onFault: () => {}, watch: denied as never }), { code: 'EACCES' });
});
