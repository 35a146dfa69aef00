/** A finished file takes a name that nobody has, also where there are no hard links. */

import test from 'ava';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { takeNewName } from '../../../ca/new-file.ts';
import { temporaryFolder } from '../../support/ca.ts';

const refusing = (code: string) => async () => {
	throw Object.assign(new Error(code), { code });
};

for (const [name, makeLink] of [['with hard links', link], ['without hard links', refusing('EPERM')], ['without that call', refusing('ENOSYS')]] as const) {
	test(`a name that is free is taken, and one that is not is left as it is: ${name}`, async (t) => {
		const folder = temporaryFolder(t);
		const [unfinished, path, taken] = [join(folder, 'unfinished'), join(folder, 'path'), join(folder, 'taken')];
		writeFileSync(unfinished, 'new');
		writeFileSync(taken, 'old');
		t.like(await t.throwsAsync(takeNewName(unfinished, taken, makeLink)), { code: 'EEXIST' });
		t.is(readFileSync(taken, 'utf8'), 'old');
		await takeNewName(unfinished, path, makeLink);
		t.is(readFileSync(path, 'utf8'), 'new');
		t.deepEqual(readdirSync(folder).sort(), ['path', 'taken']);
	});
}

test('what the file system refuses for another reason is told, and no name is taken', async (t) => {
	const folder = temporaryFolder(t);
	const unfinished = join(folder, 'unfinished');
	writeFileSync(unfinished, 'new');
	t.like(await t.throwsAsync(takeNewName(unfinished, join(folder, 'path'), refusing('ENOSPC'))), { code: 'ENOSPC' });
	t.like(await t.throwsAsync(takeNewName(join(folder, 'missing'), join(folder, 'path'), refusing('EPERM'))), { code: 'ENOENT' });
	t.deepEqual(readdirSync(folder), ['unfinished']);
});
