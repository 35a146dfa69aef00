import { join } from 'node:path';
import test from 'ava';
import tmp from 'tmp';
import { chosenEngines, engineEnvironment, installEngine } from '../../../scripts/engines.ts';
import { ENGINES } from '../../../scripts/paths.ts';
import { StepError, Steps } from '../../../scripts/steps.ts';

/** Reads ENGINE as it was given to the process. */
function choose<T>(engine: string | undefined, read: () => T): T {
	const before = process.env['ENGINE'];
	if (engine === undefined) delete process.env['ENGINE'];
	else process.env['ENGINE'] = engine;
	try {
		return read();
	} finally {
		if (before === undefined) delete process.env['ENGINE'];
		else process.env['ENGINE'] = before;
	}
}

test('ENGINE names one engine, several, or none', (t) => {
	t.deepEqual(choose(undefined, chosenEngines), []);
	t.deepEqual(choose('', chosenEngines), []);
	t.deepEqual(choose('28.5', chosenEngines), ['28.5']);
	t.deepEqual(choose(' 20.10 26.1,28.5', chosenEngines), ['20.10', '26.1', '28.5']);
});

test('the programs of the chosen engine come before all others', (t) => {
	const path = choose('28.5', () => engineEnvironment()['PATH']!);
	t.true(path.startsWith(`${join(ENGINES, '28.5/usr/sbin')}:${join(ENGINES, '28.5/usr/bin')}:`));
	t.false(choose(undefined, () => engineEnvironment()['PATH']!).includes(ENGINES));
});

test('an engine that nobody knows is refused with those that are known', async (t) => {
	const folder = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => folder.removeCallback());
	const error = await t.throwsAsync(installEngine(new Steps(join(folder.name, 'log')), '19.03'), { instanceOf: StepError });
	t.regex(error.message, /19\.03/);
	t.regex(error.remedy, /26\.1, 28\.5/);
});
