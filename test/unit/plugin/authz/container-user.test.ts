import test from 'ava';
import { parseContainerUser } from '../../../../plugin/authz/container-user.ts';

for (const [user, uid, gid] of [['', 0, 0], ['root', 0, 0], ['root:root', 0, 0], ['0', 0, 0], ['1000', 1000, 0], ['1000:1001', 1000, 1001], [':5', 0, 5], ['65534:0', 65534, 0]] as const) {
	test(`"${user}" is ${uid}:${gid}`, (t) => t.deepEqual(parseContainerUser(user), { uid, gid }));
}

for (const user of ['www-data', '1000:staff', 'nobody:65534', '-1', '0x10', '99999999999']) {
	test(`"${user}" is refused with the remedy`, (t) => {
		t.throws(() => parseContainerUser(user), { code: 'label-missing', message: /birthmark\.uid=UID.*--user UID:GID/ });
	});
}
