import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { createPlaces } from '../../../../plugin/hook/places.ts';

function folders(t: ExecutionContext) {
	const folder = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => folder.removeCallback());
	const directory = join(folder.name, 'data');
	mkdirSync(join(directory, 'volumes/c'), { recursive: true });
	return { directory, path: (volume: string) => join(directory, 'volumes', volume) };
}

test('a tmpfs is told by its place on the host, where the very same is seen', async (t) => {
	const { directory, path } = folders(t);
	t.is(await createPlaces({ place: async () => directory, directory, hostRoot: '', path })('c'), path('c'));
	t.is(await createPlaces({ place: async () => directory, directory, hostRoot: '/proc/self/root', path })('c'), path('c'));
});

test('what is another file system there, or is not there, is refused with what to do', async (t) => {
	const { directory, path } = folders(t);
	for (const place of ['/proc', '/nonexistent', undefined]) {
		const places = createPlaces({ place: async () => place, directory, hostRoot: '', path: (volume) => (volume === 'c' ? path('c') : '/nonexistent') });
		await t.throwsAsync(places('c'), { code: 'mount-failed', message: /restart the engine/ });
	}
});

test('it is asked for again after it was wrong, and not when it was right', async (t) => {
	const { directory, path } = folders(t);
	let asked = 0;
	const answers = ['/nonexistent', directory];
	const places = createPlaces({ place: async () => answers[asked++], directory, hostRoot: '', path });
	await t.throwsAsync(places('c'));
	await places('c');
	await places('c');
	t.is(asked, 2);
});
