import test from 'ava';
import { silentLogger } from '#common/runtime/log.ts';
import type { FileInContainer } from '../../../../plugin/docker.ts';
import { createImageFiles, LOOKUP_LABEL, type ImageFilesDeps } from '../../../../plugin/users/image-files.ts';
import { createImageUsers } from '../../../../plugin/users/image-users.ts';
import { firstTarEntry } from '../../../../plugin/users/tar-entry.ts';
import { engineContainer } from '../../../fakes/plugin-engine.ts';

const IMAGE = { Id: 'sha256:' + '1'.repeat(64), Config: { User: 'app', Volumes: { '/data': {} } } };
const PASSWD = 'root:x:0:0\napp:x:1000:1001\nmüller:x:5:6\n';

/** A header of ustar, and its content padded to whole blocks, one character for each byte. */
function entry(type: string, content: string): string {
	const size = content.length.toString(8).padStart(11, '0');
	const header = 'name'.padEnd(100, '\0') + '0000644\0'.repeat(3) + size + '\0' + '0'.repeat(11) + '\0' + '        ' + type;
	return header.padEnd(257, '\0') + 'ustar\x0000'.padEnd(255, '\0') + content.padEnd(Math.ceil(content.length / 512) * 512, '\0');
}
const bytes = (text: string): string => Buffer.from(text).toString('latin1');
const file = (content: string): FileInContainer => ({ archive: entry('0', bytes(content)) + '\0'.repeat(1024), linkTarget: '' });

function world(files: Record<string, FileInContainer>) {
	const made: string[] = [];
	const removed: string[] = [];
	const lost = { container: false };
	const engine: ImageFilesDeps['engine'] = {
		async createUnstarted(image, labels, emptyPaths) {
			made.push(`${image} ${Object.keys(labels)} ${emptyPaths}`);
			return 'lookup';
		},
		fileIn: async (_, path) => files[path],
		removeContainer: async (id) => void removed.push(id),
		containers: async () => (lost.container ? [] : [engineContainer({ Id: 'lookup', Labels: {} }), engineContainer({ Id: 'left', Labels: { [LOOKUP_LABEL]: 'another process' } })]),
	};
	const imageFiles = createImageFiles({ engine, logger: silentLogger });
	return { made, removed, lost, engine, imageFiles, ownerOf: createImageUsers(imageFiles) };
}

test('a user by name is looked up in the image, once for all who ask, and nothing stays', async (t) => {
	const { made, removed, ownerOf } = world({ '/etc/passwd': file(PASSWD) });
	const owners = await Promise.all([ownerOf('', IMAGE), ownerOf('müller', IMAGE), ownerOf('1000:9', IMAGE), ownerOf('1000', IMAGE)]);
	t.deepEqual(owners, [{ uid: 1000, gid: 1001 }, { uid: 5, gid: 6 }, { uid: 1000, gid: 9 }, { uid: 1000, gid: 1001 }]);
	t.deepEqual(made, [`${IMAGE.Id} ${LOOKUP_LABEL} /data`]);
	t.deepEqual(removed, ['lookup']);
});

test('a look into a container that somebody removed meanwhile says nothing, and is not remembered', async (t) => {
	const { lost, made, ownerOf } = world({});
	lost.container = true;
	await t.throwsAsync(ownerOf('1000', IMAGE), { code: 'engine-unavailable', message: /removed meanwhile/ });
	lost.container = false;
	t.deepEqual(await ownerOf('1000', IMAGE), { uid: 1000, gid: 0 });
	t.is(made.length, 2);
});

test('users in numbers ask nobody', async (t) => {
	const { made, ownerOf } = world({});
	t.deepEqual(await ownerOf('5:6', IMAGE), { uid: 5, gid: 6 });
	t.deepEqual(await ownerOf('', { Id: 'x' }), { uid: 0, gid: 0 });
	t.is(made.length, 0);
});

test('a link is followed to where the engine says that it ends', async (t) => {
	const { ownerOf } = world({ '/etc/passwd': { archive: entry('2', ''), linkTarget: '/usr/lib/passwd' }, '/usr/lib/passwd': file(PASSWD) });
	t.deepEqual(await ownerOf('app', IMAGE), { uid: 1000, gid: 1001 });
});

test('a link that leads nowhere is a file that is not there', async (t) => {
	const { ownerOf } = world({ '/etc/passwd': { archive: entry('2', ''), linkTarget: '/gone' } });
	await t.throwsAsync(ownerOf('app', IMAGE), { code: 'label-missing' });
});

for (const [what, found] of [
	['a directory', { archive: entry('5', ''), linkTarget: '' }],
	['a link to a link', { archive: entry('2', ''), linkTarget: '/etc/passwd' }],
	['no archive', { archive: 'x'.repeat(2048), linkTarget: '' }],
	['an archive that ends in the middle', { archive: entry('0', PASSWD).slice(0, 520), linkTarget: '' }],
] as const) {
	test(`${what} in the place of passwd is refused, and asked for again the next time`, async (t) => {
		const { ownerOf, made, removed } = world({ '/etc/passwd': found });
		await t.throwsAsync(ownerOf('app', IMAGE), { code: 'engine-unavailable', message: /--user UID:GID/ });
		await t.throwsAsync(ownerOf('app', IMAGE));
		t.is(made.length, 2);
		t.is(removed.length, 2);
	});
}

test('headers that only extend the next one are passed over', (t) => {
	t.deepEqual(firstTarEntry(entry('x', '30 mtime=1.1\n') + entry('L', 'long name') + entry('0', 'text')), { type: 'file', content: 'text' });
	t.is(firstTarEntry(''), undefined);
});

test('what a process before this one left is removed, what this one uses is not', async (t) => {
	const { imageFiles, removed, engine } = world({});
	let own = '';
	engine.createUnstarted = async (_, labels) => {
		own = labels[LOOKUP_LABEL]!;
		return 'lookup';
	};
	engine.containers = async () => [engineContainer({ Id: 'left', Labels: { [LOOKUP_LABEL]: 'another process' } }), engineContainer({ Id: 'mine', Labels: { [LOOKUP_LABEL]: own } })];
	await imageFiles.read(IMAGE, []);
	await imageFiles.cleanUp();
	t.deepEqual(removed, ['lookup', 'left']);
});
