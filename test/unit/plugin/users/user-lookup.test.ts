import test from 'ava';
import { lookUpUser, plainOwner } from '../../../../plugin/users/user-lookup.ts';

const FILES = {
	passwd: 'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:34:www:/var/www:/bin/false\n\n  app:x:1000:1001::/app:  \nfirst:x:7:8\nfirst:x:9:10\nodd:x:many:5\n+1:x:2:3\n#note\n',
	group: 'root:x:0:\nstaff:x:50:app,www-data\nwww-data:x:34:\nodd:x:\n',
};

for (const [user, uid, gid] of [['', 0, 0], ['root', 0, 0], ['0', 0, 0], ['1000:1001', 1000, 1001], [':5', 0, 5], ['root:0', 0, 0], ['65534:0', 65534, 0], ['+1:-0', 1, 0]] as const) {
	test(`"${user}" says by itself that it is ${uid}:${gid}`, (t) => {
		const owner = plainOwner(user)!;
		t.deepEqual([owner.uid, Math.abs(owner.gid)], [uid, gid]);
	});
}

for (const user of ['1000', 'www-data', '1000:staff', 'nobody:65534', '0x10', 'root:root']) {
	test(`"${user}" depends on the image`, (t) => t.is(plainOwner(user), undefined));
}

const FOUND: readonly (readonly [user: string, uid: number, gid: number, why: string])[] = [
	['www-data', 33, 34, 'a name has the uid and the group of its entry'],
	['1000', 1000, 1001, 'a number that is in passwd has the group of its entry'],
	['4242', 4242, 0, 'a number that is not has group 0'],
	['www-data:staff', 33, 50, 'a group by name'],
	['www-data:4243', 33, 4243, 'a group that no file knows, by number'],
	['1000:staff', 1000, 50, 'a number with a group by name'],
	[':staff', 0, 50, 'root with a group by name'],
	['first', 7, 8, 'of two entries the first counts'],
	['odd', 0, 5, 'a uid that is no number is 0, as for the engine'],
	['+1', 1, 0, 'what reads as a number is never a name'],
	['app:odd', 1000, 0, 'a group without a number is 0'],
	['www-data:staff:more', 33, 50, 'what follows the group counts for nothing'],
	['#note', 0, 0, 'there are no comments in passwd'],
];
for (const [user, uid, gid, why] of FOUND) {
	test(`"${user}" is ${uid}:${gid}: ${why}`, (t) => t.deepEqual(lookUpUser(user, FILES), { uid, gid }));
}

for (const [user, says] of [['nobody', /no user "nobody" in its \/etc\/passwd; run it with --user UID:GID/], ['app:nobody', /no group "nobody" in its \/etc\/group/], ['APP', /no user/], ['2147483648', /is no user/], ['-1', /is no user/]] as const) {
	test(`"${user}", which the engine would not start either, is refused`, (t) => {
		t.throws(() => lookUpUser(user, FILES), { code: 'label-missing', message: says });
	});
}

test('an image without the files has numbers only', (t) => {
	const none = { passwd: '', group: '' };
	t.deepEqual(lookUpUser('1000', none), { uid: 1000, gid: 0 });
	t.deepEqual(lookUpUser('1000:7', none), { uid: 1000, gid: 7 });
	t.throws(() => lookUpUser('www-data', none), { code: 'label-missing' });
	t.throws(() => lookUpUser('1000:staff', none), { code: 'label-missing' });
});
