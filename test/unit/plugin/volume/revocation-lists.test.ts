import test, { type ExecutionContext } from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { silentLogger } from '#common/runtime/log.ts';
import type { RevocationList } from '../../../../plugin/ca-client.ts';
import { startRevocationLists } from '../../../../plugin/volume/revocation-lists.ts';

/** A CA that serves `list` until it is changed. */
function world(t: ExecutionContext, onChange: (text: string) => void = () => undefined) {
	const state: { list: RevocationList; away: boolean } = { list: { text: 'one', etag: '"1"' }, away: false };
	const clock = { now: 0 };
	const asked: (string | undefined)[] = [];
	const written: string[] = [];
	let onWrite: () => void = () => undefined;
	const lists = startRevocationLists({
		ca: {
			revocationList: async (etag) => {
				asked.push(etag);
				if (state.away) throw new BirthmarkError('ca-unavailable');
				return etag === state.list.etag ? undefined : state.list;
			},
		},
		isWanted: () => false,
		onChange: (text) => {
			written.push(text);
			onWrite();
			onChange(text);
		},
		now: () => clock.now,
		logger: silentLogger,
	});
	t.teardown(() => lists.close());
	return { lists, state, clock, asked, written, nextWrite: () => new Promise<void>((resolve) => (onWrite = resolve)) };
}

test('the first list is waited for, later ones are there; one that was looked at a while ago is looked for again', async (t) => {
	const { lists, clock, asked } = world(t);
	t.is(await lists.current(), 'one');
	clock.now = 1_999;
	t.is(await lists.current(), 'one');
	t.deepEqual(asked, [undefined]);
	clock.now = 2_000;
	t.is(await lists.current(), 'one');
	t.deepEqual(asked, [undefined, '"1"']);
});

test('a list that nobody kept fresh is waited for: a day later it would have ended', async (t) => {
	const { lists, state, clock } = world(t);
	await lists.current();
	state.list = { text: 'two', etag: '"2"' };
	clock.now = 10_000;
	t.is(await lists.current(), 'two');
	state.away = true;
	clock.now = 20_000;
	t.is(await lists.current(), 'two', 'a CA that is away has no other');
});

test('a revocation is looked for at once and written', async (t) => {
	const { lists, state, written, nextWrite } = world(t);
	await lists.current();
	state.list = { text: 'two', etag: '"2"' };
	const write = nextWrite();
	lists.wake();
	await write;
	t.deepEqual(written, ['one', 'two']);
	t.is(await lists.current(), 'two');
});

test('a list that takes for ever to be written keeps no other back', async (t) => {
	const { lists, state, written, nextWrite } = world(t, () => new Promise(() => undefined));
	t.is(await lists.current(), 'one');
	state.list = { text: 'two', etag: '"2"' };
	const write = nextWrite();
	lists.wake();
	await write;
	t.deepEqual(written, ['one', 'two']);
});

test('a CA that never answered is an error, one that is away later is not', async (t) => {
	const { lists, state } = world(t);
	state.away = true;
	await t.throwsAsync(lists.current(), { code: 'ca-unavailable' });
	state.away = false;
	t.is(await lists.current(), 'one');
	state.away = true;
	t.is(await lists.current(), 'one');
});
