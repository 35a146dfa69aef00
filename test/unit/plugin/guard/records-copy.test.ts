import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { createRecordsCopy } from '../../../../plugin/guard/records-copy.ts';
import { openRecords } from '../../../../plugin/records.ts';
import { FIRST_VERSION } from '../../../fakes/first-records.ts';

/** @param afterMs how long after the last change it is, always */
function world(t: ExecutionContext, afterMs = 1000) {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => directory.removeCallback());
	const source = join(directory.name, 'records.db');
	const changed = (): number => Math.max(...[source, `${source}-wal`].map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0));
	const copy = createRecordsCopy({ source, directory: join(directory.name, 'copy'), now: () => changed() + afterMs });
	t.teardown(() => copy.close());
	return { source, copy, copies: () => readdirSync(join(directory.name, 'copy')).filter((name) => name.endsWith('.db')) };
}

test('it shows what the other plugin has written, while that one is open and after', (t) => {
	const { source, copy, copies } = world(t);
	const theirs = openRecords(source);
	theirs.addVolume('one');
	t.true(copy.current().hasVolume('one'));
	t.false(copy.current().hasVolume('two'));
	theirs.addVolume('two');
	t.true(copy.current().hasVolume('two'));
	theirs.close();
	t.false(existsSync(`${source}-wal`));
	t.true(copy.current().hasVolume('two'));
	t.is(copies().length, 1, 'old copies are removed');
});

test('what has not changed is not copied again', (t) => {
	const { source, copy } = world(t);
	openRecords(source).close();
	t.is(copy.current(), copy.current());
});

test('what has just changed may change within the same tick of the clock, and is copied again', (t) => {
	const { source, copy } = world(t, 0);
	const theirs = openRecords(source);
	t.teardown(() => theirs.close());
	theirs.addVolume('one');
	t.not(copy.current(), copy.current());
});

test('records of an older version are brought to this one in the copy only', (t) => {
	const { source, copy } = world(t);
	const old = new DatabaseSync(source);
	old.exec(`${FIRST_VERSION} INSERT INTO volumes VALUES ('old');`);
	t.true(copy.current().hasVolume('old'));
	t.is((old.prepare('PRAGMA user_version').get() as { user_version: number }).user_version, 1);
	old.close();
});

test('records that cannot be read are an error, never an empty list', (t) => {
	const { source, copy } = world(t);
	t.throws(() => copy.current(), { code: 'engine-unavailable', message: /--resume/ } as never);
	writeFileSync(source, 'something else');
	t.throws(() => copy.current());
	rmSync(source);
	openRecords(source).close();
	t.false(copy.current().hasVolume('one'));
});
