import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import type { EngineInfo } from '../../../../plugin/docker.ts';
import { createIdMapping } from '../../../../plugin/users/id-mapping.ts';

const REMAPPED: EngineInfo = { Name: 'host1', DockerRootDir: '/var/lib/docker/100000.200000', SecurityOptions: ['name=seccomp,profile=default', 'name=userns'] };

function mapping(t: ExecutionContext, info: EngineInfo, files: Record<string, string> = {}) {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => directory.removeCallback());
	mkdirSync(join(directory.name, 'etc'));
	for (const [name, text] of Object.entries(files)) writeFileSync(join(directory.name, 'etc', name), text);
	let asked = 0;
	const engine = { info: async () => (asked++, info) };
	return { onHost: createIdMapping({ engine, hostRoot: directory.name }), asked: () => asked };
}

test('without user namespaces ids are the same on the host', async (t) => {
	for (const info of [{ ...REMAPPED, SecurityOptions: ['name=seccomp'] }, { ...REMAPPED, SecurityOptions: null }]) {
		t.deepEqual(await mapping(t, info).onHost({ uid: 1000, gid: 70_000 }), { uid: 1000, gid: 70_000 });
	}
});

test('with them ids are moved into the ranges that the data root is named by; the engine is asked once', async (t) => {
	const { onHost, asked } = mapping(t, REMAPPED, { subuid: 'a:1:5\ndocker:100000:1000\ndocker:300000:1000\n', subgid: 'docker:200000:500\n' });
	t.deepEqual(await onHost({ uid: 0, gid: 0 }), { uid: 100_000, gid: 200_000 });
	t.deepEqual(await onHost({ uid: 999, gid: 499 }), { uid: 100_999, gid: 200_499 });
	t.is(asked(), 1);
	await t.throwsAsync(onHost({ uid: 1000, gid: 0 }), { code: 'label-illegal', message: /user 1000.*have 1000/ });
	await t.throwsAsync(onHost({ uid: 0, gid: 500 }), { code: 'label-illegal', message: /group 500/ });
});

test('where the files say nothing of the range it has the usual size', async (t) => {
	const { onHost } = mapping(t, REMAPPED, { subuid: 'docker:100000:many\n' });
	t.deepEqual(await onHost({ uid: 65_535, gid: 65_535 }), { uid: 165_535, gid: 265_535 });
	await t.throwsAsync(onHost({ uid: 65_536, gid: 0 }), { code: 'label-illegal' });
});

test('a data root that names no range is no guess, and is asked for again', async (t) => {
	const { onHost, asked } = mapping(t, { ...REMAPPED, DockerRootDir: '/var/lib/docker' });
	await t.throwsAsync(onHost({ uid: 0, gid: 0 }), { code: 'engine-unavailable' });
	await t.throwsAsync(onHost({ uid: 0, gid: 0 }), { code: 'engine-unavailable' });
	t.is(asked(), 2);
});
