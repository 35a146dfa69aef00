import test from 'ava';
import { createLedger, type LedgerSettings } from '../../../../ca/defence/ledger.ts';

const SETTINGS: LedgerSettings = { windowSeconds: 60, failures: 5, shutOutSeconds: 10, maximumSeconds: 100, sources: 50 };

function start(settings: Partial<LedgerSettings> = {}) {
	let now = 1_000_000;
	const ledger = createLedger(() => ({ ...SETTINGS, ...settings }), () => now);
	const fail = (key: string, times: number) => Array.from({ length: times }, () => ledger.fail(key));
	return { ledger, fail, wait: (seconds: number) => void (now += seconds * 1000) };
}

test('below the threshold nobody is shut out, at the threshold one is, and nobody else', (t) => {
	const { ledger, fail } = start();
	t.deepEqual(fail('a', 4), [0, 0, 0, 0]);
	t.is(ledger.remaining('a'), 0);
	t.deepEqual(fail('a', 1), [10]);
	t.is(ledger.remaining('a'), 10);
	t.is(ledger.remaining('b'), 0);
	t.is(ledger.shutOut(), 1);
});

test('the window slides: failures far apart never add up, those around a boundary do', (t) => {
	const slow = start();
	for (let round = 0; round < 100; round++) {
		t.deepEqual(slow.fail('a', 1), [0]);
		slow.wait(20);
	}
	const across = start();
	across.wait(0);
	t.deepEqual(across.fail('a', 1), [0]);
	across.wait(55);
	t.deepEqual(across.fail('a', 3), [0, 0, 0]);
	across.wait(6);
	t.true(across.fail('a', 2).some((seconds) => seconds > 0));
});

test('each time is twice as long, up to the maximum, and ends', (t) => {
	const { ledger, fail, wait } = start();
	for (const seconds of [10, 20, 40, 80, 100, 100]) {
		t.is(fail('a', 5).at(-1), seconds);
		wait(seconds - 1);
		t.is(ledger.remaining('a'), 1);
		wait(1);
		t.is(ledger.remaining('a'), 0);
		t.is(ledger.shutOut(), 0);
	}
});

test('what fails while it is shut out makes it no longer', (t) => {
	const { ledger, fail, wait } = start();
	fail('a', 5);
	wait(5);
	t.deepEqual(fail('a', 50), Array<number>(50).fill(0));
	t.is(ledger.remaining('a'), 5);
});

test('after a long quiet time a source begins anew', (t) => {
	const { fail, wait } = start();
	t.is(fail('a', 5).at(-1), 10);
	wait(10 + 101);
	t.is(fail('a', 5).at(-1), 10);
});

test('a flood of sources takes no more memory than allowed, and frees nobody who is shut out', (t) => {
	const { ledger, fail } = start();
	fail('bad', 5);
	for (let source = 0; source < 10_000; source++) {
		fail(`flood ${source}`, 1);
		t.true(ledger.size() <= SETTINGS.sources);
	}
	t.is(ledger.remaining('bad'), 10);
});

test('a flood of sources that all are shut out takes no more memory either', (t) => {
	const { ledger, fail } = start();
	for (let source = 0; source < 1000; source++) {
		t.is(fail(`flood ${source}`, 5).at(-1), 10);
		t.true(ledger.size() <= SETTINGS.sources);
	}
	t.is(ledger.shutOut(), SETTINGS.sources / 2);
});

test('settings that change count from the next failure on', (t) => {
	let failures = 5;
	const ledger = createLedger(() => ({ ...SETTINGS, failures }), () => 0);
	t.is(ledger.fail('a'), 0);
	failures = 2;
	t.is(ledger.fail('a'), 10);
});
