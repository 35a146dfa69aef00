import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { StepError, Steps } from '../../../scripts/steps.ts';

function steps(t: ExecutionContext): Steps {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => directory.removeCallback());
	return new Steps(join(directory.name, 'log'));
}

test('a program that is not there fails with a remedy', async (t) => {
	const error = await t.throwsAsync(steps(t).run('birthmark-no-such-program', []), { instanceOf: StepError });
	t.regex(error.message, /could not be started/);
});

test('a program that is not there and may fail has failed: cleaning up goes on without it', async (t) => {
	const { code } = await steps(t).run('birthmark-no-such-program', [], { mayFail: true });
	t.is(code, 127);
});

test('what a quiet program prints is returned and not logged', async (t) => {
	const run = steps(t);
	const { stdout } = await run.run('echo', ['-n', 'a secret'], { quiet: true });
	t.is(stdout, 'a secret');
	t.notRegex(readFileSync(run.logFile, 'utf8').replace(/^\$.*$/m, ''), /a secret/);
});
