import test from 'ava';
import { parseIdentityLabels } from '../../../../plugin/authz/labels.ts';
import { ownershipOf } from '../../../../plugin/authz/ownership.ts';
import { lookUpUser } from '../../../../plugin/users/user-lookup.ts';

const passwd = 'root:x:0:0::/root:/bin/sh\npostgres:x:999:998::/:/bin/sh\nweb:x:33:34::/:/bin/sh\n';
const deps = {
	ownerOf: async (user: string) => lookUpUser(user, { passwd, group: '' }),
	onHost: async ({ uid, gid }: { uid: number; gid: number }) => ({ uid: uid + 100_000, gid: gid + 100_000 }),
};

/** Of a container with this user and these labels; `host` keeps the ids as they are. */
const ownership = (user: string, more: Record<string, string>, usernsMode = 'host') => {
	const labels = Object.entries({ cn: 'api01', ou: 'web', ...more }).map(([name, value]) => [`birthmark.${name}`, value] as const);
	return ownershipOf(deps, parseIdentityLabels(new Map(labels))!, user, { Id: 'sha256:1' }, usernsMode);
};

test('without labels everything belongs to the user of the container, and to nobody else', async (t) => {
	t.deepEqual(await ownership('web', {}), { uid: 33, gid: 34, mode: 0o700, settings: {} });
	t.deepEqual(await ownership('web', { uid: '33', gid: '34', 'key-mode': '0640' }), { uid: 33, gid: 34, mode: 0o700, settings: { keyMode: '0640' } });
});

test('files for another user lie in a directory of the agent\'s, which that user\'s group may enter', async (t) => {
	t.deepEqual(await ownership('', { uid: '999' }), { uid: 0, gid: 998, mode: 0o750, settings: { owner: '999:998' } });
	t.deepEqual(await ownership('', { uid: '70', gid: '71', mode: '0711' }), { uid: 0, gid: 71, mode: 0o711, settings: { owner: '70:71' } });
	t.deepEqual(await ownership('web', { gid: '77' }), { uid: 33, gid: 77, mode: 0o700, settings: { owner: '33:77' } });
});

test('where keys are for the group, what is made in the directory has that group by itself', async (t) => {
	t.deepEqual(await ownership('', { uid: '999', 'key-mode': '0640' }), { uid: 0, gid: 998, mode: 0o2750, settings: { keyMode: '0640', owner: '999:998' } });
	t.is((await ownership('', { gid: '998', 'key-mode': '0440', mode: '0755' })).mode, 0o2755);
});

test('a directory that keeps those out for whom the files are is refused', async (t) => {
	await t.throwsAsync(ownership('', { uid: '999', mode: '0700' }), { code: 'label-illegal', message: /0700 keeps the user 999 .* use 0750/ });
	await t.notThrowsAsync(ownership('', { uid: '0', mode: '0700' }));
});

test('a user whom only the container itself knows is the one of the labels', async (t) => {
	t.deepEqual(await ownership('nobody', { uid: '7', gid: '8' }), { uid: 7, gid: 8, mode: 0o700, settings: {} });
	await t.throwsAsync(ownership('nobody', {}), { code: 'label-missing' });
});

test('where the node runs the agent, directory and files belong to the user of the labels', async (t) => {
	t.deepEqual(await ownership('', { uid: '999', agent: 'node' }), { uid: 999, gid: 998, mode: 0o700, settings: {} });
	t.deepEqual(await ownership('web', { agent: 'node' }), { uid: 33, gid: 34, mode: 0o700, settings: {} });
});

test('the directory has ids of the host, the agent is told those of the container', async (t) => {
	t.deepEqual(await ownership('', { uid: '999' }, ''), { uid: 100_000, gid: 100_998, mode: 0o750, settings: { owner: '999:998' } });
});
