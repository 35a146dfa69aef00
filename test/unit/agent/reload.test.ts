/** What is told, looked at and reported, and when; time is what the agent sleeps. */

import { once } from 'node:events';
import test from 'ava';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import type { ReloadOutcome, ReloadReport } from '#common/protocol/messages.ts';
import type { Identity } from '../../../agent/identity.ts';
import { keepReloaded, reloadingFrom, type Reloading } from '../../../agent/reload.ts';

const HUP = { way: 'signal', signal: 'SIGHUP' } as const;
const SERVED = { host: '127.0.0.1', port: 8443 };
const BOTH: Reloading = { reload: HUP, served: SERVED };

const identity = (serial: string) => ({ leaf: { serial } }) as Identity;

interface Script {
	/** what is found at each look, the last of them from then on */
	readonly found?: readonly ReloadOutcome[];
	/** why it cannot be told, at each time */
	readonly refused?: readonly (string | undefined)[];
	/** how long it takes to tell it */
	readonly turns?: number;
	/** of the CA, at each report */
	readonly deaf?: readonly (ErrorCode | undefined)[];
	/** it is told of revocation lists */
	readonly followsLists?: boolean;
	/** pauses of five seconds and more end by nothing but a signal */
	readonly hangs?: boolean;
}

/**
 * Runs until `stop` of the events have come, then everything ends.
 *
 * @returns what happened, in its order, with the seconds at which it did
 */
async function run(reloading: Reloading, births: readonly string[], stop: (events: readonly string[]) => boolean, { found = ['verified'], refused = [], turns = 0, deaf = [], followsLists = false, hangs = false }: Script = {}) {
	const events: string[] = [];
	const warnings: string[] = [];
	const reports: ReloadReport[] = [];
	const end = new AbortController();
	let ms = 0;
	const looks = [...found];
	const refusals = [...refused];
	const deafness = [...deaf];
	const waiting = [...births];
	let superseded = new AbortController();
	let current = waiting.shift()!;
	const happened = (what: string) => {
		events.push(`${Math.round(ms / 1000)} ${what}`);
		if (stop(events)) end.abort();
	};
	const rotate = () => {
		const next = waiting.shift();
		if (next === undefined) return;
		current = next;
		const before = superseded;
		superseded = new AbortController();
		before.abort();
	};
	let another = Promise.withResolvers<void>();
	/** Another revocation list is there. */
	const relist = () => {
		another.resolve();
		another = Promise.withResolvers<void>();
	};
	const list = {
		due: (signal: AbortSignal) => Promise.race([another.promise, once(signal, 'abort').then(() => Promise.reject(signal.reason as Error))]),
		reading: () => happened('reads'),
	};
	const ended = keepReloaded(reloading, end.signal, {
		publications: { current: () => ({ identity: identity(current), superseded: superseded.signal }) },
		random: () => 1,
		...(followsLists && { list }),
		async sleep(milliseconds, signal) {
			if (signal.aborted) throw signal.reason;
			if (hangs && milliseconds >= 5000) {
				await once(signal, 'abort');
				throw signal.reason;
			}
			ms += milliseconds;
			await new Promise(setImmediate);
			if (signal.aborted) throw signal.reason;
		},
		async tell(how, signal) {
			t_is(how, HUP);
			const why = refusals.shift();
			happened(`tell ${current}`);
			for (let turn = 0; turn < turns; turn++) await tick();
			if (signal.aborted) happened('cut off');
			return why;
		},
		async probe(served, { leaf }) {
			t_is(served, SERVED);
			const outcome = looks.length > 1 ? looks.shift()! : looks[0]!;
			happened(`${outcome} ${leaf.serial}`);
			return { outcome, sentence: `it is ${outcome}`, ...(outcome === 'mismatch' && { servedSerial: 'aa' }) };
		},
		ca: {
			async report(_identity, report) {
				const code = deafness.shift();
				happened(`report ${report.outcome}`);
				if (code) throw new BirthmarkError(code);
				reports.push(report);
			},
		},
		logger: { info: () => {}, warn: (message) => void warnings.push(message) },
	});
	return { events, warnings, reports, rotate, relist, end, ended };

	function t_is(one: unknown, other: unknown): void {
		if (one !== other) throw new TypeError('another one was asked for');
	}
}

const count = (events: readonly string[], word: string) => events.filter((event) => event.includes(word)).length;
const until = (word: string, times = 1) => (events: readonly string[]) => count(events, word) >= times;
const tick = () => new Promise(setImmediate);

async function quiet(events: readonly string[]): Promise<void> {
	for (let before = -1; before !== events.length;) {
		before = events.length;
		for (let turn = 0; turn < 5; turn++) await tick();
	}
}

test('labels that want nothing want nothing', (t) => {
	t.is(reloadingFrom({}), undefined);
	t.deepEqual(reloadingFrom({ reload: 'signal:HUP', port: '8443' }), BOTH);
	t.deepEqual(reloadingFrom({ reload: 'signal:HUP', reloadOn: 'any' }), { reload: HUP });
	t.deepEqual(reloadingFrom({ reload: 'signal:HUP', reloadOn: 'certificate' }), { reload: HUP, ignoresLists: true });
	t.like(t.throws(() => reloadingFrom({ reload: 'signal:HUP', reloadOn: 'full moon' }), { instanceOf: BirthmarkError }), { code: 'config-invalid' });
	t.like(t.throws(() => reloadingFrom({ reload: 'pigeon' }), { instanceOf: BirthmarkError }), { code: 'config-invalid' });
	t.like(t.throws(() => reloadingFrom({ port: 'https' }), { instanceOf: BirthmarkError }), { code: 'config-invalid' });
});

test('at birth the application is not told, only looked at', async (t) => {
	const { events, reports, ended, end } = await run(BOTH, ['1'], () => false);
	await quiet(events);
	t.deepEqual(events, ['0 verified 1', '0 report verified']);
	t.deepEqual(reports, [{ outcome: 'verified', attempts: 1 }]);
	end.abort();
	await ended;
});

test('without a port nothing is done at birth, and after a renewal it is told and not looked at', async (t) => {
	const { events, reports, rotate, ended, end } = await run({ reload: HUP }, ['1', '2'], () => false);
	await quiet(events);
	t.deepEqual(events, []);
	rotate();
	await quiet(events);
	t.deepEqual(events, ['0 tell 2', '0 report unchecked']);
	t.deepEqual(reports, [{ outcome: 'unchecked', attempts: 1 }]);
	end.abort();
	await ended;
});

test('after a renewal it is told, and looked at until it serves the new certificate', async (t) => {
	const { events, rotate, ended, end, warnings } = await run(BOTH, ['1', '2'], () => false, { found: ['verified', 'mismatch', 'mismatch', 'verified'] });
	await quiet(events);
	rotate();
	await quiet(events);
	t.deepEqual(events, ['0 verified 1', '0 report verified', '0 tell 2', '0 mismatch 2', '0 mismatch 2', '0 verified 2', '0 report verified']);
	t.deepEqual(warnings, []);
	end.abort();
	await ended;
});

test('one that goes on serving the old certificate is told again with growing pauses, each time is reported, and its recovery', async (t) => {
	const { events, reports, warnings, rotate, ended, end } = await run(BOTH, ['1', '2'], () => false, { found: ['verified', ...Array.from({ length: 28 }, () => 'mismatch' as const), 'verified'] });
	await quiet(events);
	rotate();
	await quiet(events);
	t.deepEqual(events.filter((event) => event.includes('tell')), ['0 tell 2', '10 tell 2', '25 tell 2', '50 tell 2', '95 tell 2']);
	t.deepEqual(reports.slice(1), [
		...[1, 2, 3, 4].map((attempts) => ({ outcome: 'mismatch', attempts, servedSerial: 'aa' })),
		{ outcome: 'verified', attempts: 5 },
	] as never);
	t.is(warnings.length, 4);
	t.is(warnings[0], 'the application does not serve the certificate: it is mismatch');
	end.abort();
	await ended;
});

test('the pauses end at ten minutes, and the tries do not end', async (t) => {
	const { events, ended } = await run({ reload: HUP, served: SERVED }, ['1'], until('tell', 20), { found: ['mismatch'] });
	await ended;
	const at = events.filter((event) => event.includes('tell')).map((event) => Number.parseInt(event));
	const pauses = at.slice(1).map((instant, index) => instant - at[index]!);
	t.is(Math.max(...pauses), 605);
	t.is(pauses.at(-1), 605);
});

test('a newer certificate takes the place of one that the application never came to serve', async (t) => {
	const { events, rotate, ended, end } = await run(BOTH, ['1', '2', '3'], () => false, { found: ['verified', 'mismatch'] });
	await quiet(events);
	rotate();
	while (count(events, 'tell 2') < 2) await tick();
	rotate();
	while (count(events, 'tell 3') < 2) await tick();
	t.is(events.findLastIndex((event) => event.includes('tell 2')) < events.findIndex((event) => event.includes('tell 3')), true);
	end.abort();
	await ended;
});

test('who is being told is not cut off by a newer certificate, of which it is told next', async (t) => {
	const { events, reports, rotate, ended, end } = await run({ reload: HUP }, ['1', '2', '3'], () => false, { turns: 20 });
	await quiet(events);
	rotate();
	while (count(events, 'tell 2') < 1) await tick();
	rotate();
	while (reports.length < 1) await tick();
	t.deepEqual(events, ['0 tell 2', '0 tell 3', '0 report unchecked']);
	end.abort();
	await ended;
});

test('when everything ends who is being told is cut off', async (t) => {
	const { events, rotate, ended, end } = await run({ reload: HUP }, ['1', '2'], () => false, { turns: 20 });
	await quiet(events);
	rotate();
	while (count(events, 'tell 2') < 1) await tick();
	end.abort();
	await ended;
	t.deepEqual(events, ['0 tell 2', '0 cut off']);
});

test('one that finds out by itself has a minute', async (t) => {
	const { events, reports, rotate, ended, end } = await run({ served: SERVED }, ['1', '2'], () => false, { found: ['verified', ...Array.from({ length: 9 }, () => 'mismatch' as const), 'verified'] });
	await quiet(events);
	rotate();
	while (reports.length < 3) await tick();
	t.deepEqual(reports.slice(1).map(({ outcome, attempts }) => [outcome, attempts]), [['mismatch', 1], ['verified', 2]]);
	t.is(count(events, 'tell'), 0);
	t.is(events.find((event) => event.includes('report mismatch')), '60 report mismatch');
	end.abort();
	await ended;
});

test('a new container may take ten minutes until it listens, and is told nothing meanwhile', async (t) => {
	const { events, reports, warnings, ended, end } = await run(BOTH, ['1'], () => false, { found: [...Array.from({ length: 30 }, () => 'not-listening' as const), 'verified'] });
	while (reports.length < 1) await tick();
	t.deepEqual(reports, [{ outcome: 'verified', attempts: 1 }]);
	t.is(count(events, 'tell'), 0);
	t.deepEqual(warnings, []);
	end.abort();
	await ended;
});

test('one that never listens is reported, not told', async (t) => {
	const { events, reports, ended } = await run(BOTH, ['1'], until('report not-listening', 3), { found: ['not-listening'] });
	await ended;
	t.is(count(events, 'tell'), 0);
	t.true(Number.parseInt(events.find((event) => event.includes('report'))!) > 600);
	t.deepEqual(reports.map(({ attempts }) => attempts), [1, 2, 3]);
});

test('one that cannot be told is looked at all the same', async (t) => {
	const { events, reports, warnings, rotate, ended, end } = await run(BOTH, ['1', '2', '3'], () => false, { found: ['verified', 'mismatch', 'verified'], refused: ['nginx is not there', undefined, 'nginx is not there'] });
	await quiet(events);
	rotate();
	while (reports.length < 3) await tick();
	t.deepEqual(reports.slice(1).map(({ outcome }) => outcome), ['reload-failed', 'verified']);
	t.deepEqual(warnings, ['the application does not serve the certificate: nginx is not there']);
	rotate();
	while (reports.length < 4) await tick();
	t.like(reports.at(-1), { outcome: 'verified', attempts: 1 });
	end.abort();
	await ended;
});

test('without a port a refusal is all that is known', async (t) => {
	const { reports, rotate, events, ended, end } = await run({ reload: HUP }, ['1', '2'], () => false, { refused: ['it ignores SIGHUP'] });
	await quiet(events);
	rotate();
	while (reports.length < 2) await tick();
	t.deepEqual(reports, [{ outcome: 'reload-failed', attempts: 1 }, { outcome: 'unchecked', attempts: 2 }]);
	end.abort();
	await ended;
});

test('a CA that is away is told of the success later, and of a failure with the next one', async (t) => {
	const away = await run(BOTH, ['1'], until('report', 4), { deaf: ['ca-unavailable', 'source-shut-out', 'ca-protocol'] });
	await away.ended;
	t.deepEqual(away.events, ['0 verified 1', '0 report verified', '5 report verified', '15 report verified', '35 report verified']);
	const failing = await run(BOTH, ['1', '2'], until('report', 3), { found: ['verified', 'mismatch'], deaf: [undefined, 'ca-unavailable'] });
	await quiet(failing.events);
	failing.rotate();
	await failing.ended;
	t.deepEqual(failing.reports.map(({ attempts }) => attempts), [1, 2]);
});

test('a CA that refuses to be told is not asked again', async (t) => {
	const { events, ended, end } = await run(BOTH, ['1'], () => false, { deaf: ['certificate-revoked'] });
	await quiet(events);
	t.deepEqual(events, ['0 verified 1', '0 report verified']);
	end.abort();
	await ended;
});

test('for another revocation list the application is told and looked at as well, and the CA hears nothing that it knows', async (t) => {
	const { events, reports, relist, ended, end } = await run(BOTH, ['1'], () => false, { followsLists: true, found: ['verified', 'verified', 'mismatch', 'verified'] });
	await quiet(events);
	relist();
	await quiet(events);
	relist();
	await quiet(events);
	t.deepEqual(events, ['0 verified 1', '0 report verified', '0 reads', '0 tell 1', '0 verified 1', '0 reads', '0 tell 1', '0 mismatch 1', '0 verified 1']);
	t.is(reports.length, 1);
	end.abort();
	await ended;
});

test('one that cannot be told of a revocation list is told again, though it serves its certificate, and the CA knows', async (t) => {
	const { events, reports, warnings, relist, ended, end } = await run(BOTH, ['1'], () => false, { followsLists: true, refused: ['it ignores SIGHUP', 'it ignores SIGHUP'] });
	await quiet(events);
	relist();
	while (reports.length < 4) await tick();
	t.deepEqual(reports.slice(1), [{ outcome: 'reload-failed', attempts: 1 }, { outcome: 'reload-failed', attempts: 2 }, { outcome: 'verified', attempts: 3 }]);
	t.deepEqual(events.filter((event) => event.includes('tell')), ['0 tell 1', '5 tell 1', '15 tell 1']);
	t.is(warnings[0], 'the application was not told of another revocation list: it ignores SIGHUP');
	end.abort();
	await ended;
});

test('an application at which nobody looks is told of revocation lists, and the CA is not', async (t) => {
	const { events, reports, relist, ended, end } = await run({ reload: HUP }, ['1'], () => false, { followsLists: true });
	for (let time = 0; time < 2; time++) {
		await quiet(events);
		relist();
	}
	await quiet(events);
	t.deepEqual(events, ['0 reads', '0 tell 1', '0 reads', '0 tell 1']);
	t.deepEqual(reports, []);
	end.abort();
	await ended;
});

test('a CA that is away keeps no application from being told of a revocation list, and is told in the end', async (t) => {
	const { events, reports, relist, rotate, ended, end } = await run({ reload: HUP }, ['1', '2'], () => false, { followsLists: true, hangs: true, deaf: ['ca-unavailable'] });
	await quiet(events);
	rotate();
	await quiet(events);
	relist();
	await quiet(events);
	t.deepEqual(events, ['0 reads', '0 tell 2', '0 report unchecked', '0 reads', '0 tell 2', '0 report unchecked']);
	t.deepEqual(reports, [{ outcome: 'unchecked', attempts: 1 }]);
	end.abort();
	await ended;
});

test('a revocation list that changes does not wait until an application serves its certificate', async (t) => {
	const { events, relist, rotate, ended, end } = await run(BOTH, ['1', '2'], () => false, { followsLists: true, found: ['verified', 'mismatch'], hangs: true });
	await quiet(events);
	rotate();
	await quiet(events);
	const before = count(events, 'tell');
	relist();
	await quiet(events);
	t.is(before, 1);
	t.is(count(events, 'tell'), 2);
	end.abort();
	await ended;
});

test('nobody is told of revocations before he listens, or without a certificate that was published anew', async (t) => {
	const { events, relist, rotate, ended, end } = await run(BOTH, ['1', '2'], () => false, { followsLists: true, found: ['not-listening'], hangs: true });
	await quiet(events);
	relist();
	await quiet(events);
	t.is(count(events, 'tell'), 0);
	rotate();
	await quiet(events);
	t.is(count(events, 'tell'), 1);
	end.abort();
	await ended;
});
