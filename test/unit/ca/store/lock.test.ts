/** One process per state folder. */

import test from 'ava';
import { join } from 'node:path';
import { holdLock } from '../../../../ca/store/lock.ts';
import { startCa, temporaryFolder } from '../../../support/ca.ts';

test('a second process on the same folder is refused while the first serves', async (t) => {
	const ca = await startCa(t);
	t.like(await t.throwsAsync(startCa(t, { state: ca.state })), { code: 'ca-exists' });
	t.is((await ca.admin('GET', '/readyz')).status, 200);
});

test('of several that begin to serve one folder at once, one does', async (t) => {
	const { state, close } = await startCa(t);
	await close();
	const results = await Promise.allSettled(Array.from({ length: 3 }, () => startCa(t, { state })));
	t.is(results.filter(({ status }) => status === 'fulfilled').length, 1);
	for (const result of results) if (result.status === 'rejected') t.is((result.reason as { code?: unknown }).code, 'ca-exists');
	const admin = results.find((result) => result.status === 'fulfilled')!.value.admin;
	t.is((await admin('GET', '/healthz')).status, 200);
});

test('a lock that was let go can be taken again', (t) => {
	const path = join(temporaryFolder(t), 'serve.lock');
	holdLock(path).release();
	const lock = holdLock(path);
	t.like(t.throws(() => holdLock(path)), { code: 'ca-exists' });
	lock.release();
});
