import test from 'ava';
import { constants } from 'node:os';
import { startApplication } from '../../../agent/supervise.ts';

test('every exit code of an application is passed on', async (t) => {
	const codes = Array.from({ length: 256 }, (_, code) => code);
	const seen: number[] = [];
	for (const code of codes) seen.push(await (await startApplication(['sh', '-c', `exit ${code}`])).exited);
	t.deepEqual(seen, codes);
});

for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGABRT', 'SIGKILL', 'SIGUSR1', 'SIGSEGV', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM'] as const) {
	test(`an application that ${signal} ended becomes 128 and its number`, async (t) => {
		const application = await startApplication(['sh', '-c', `ulimit -c 0; kill -${signal.slice(3)} $$; sleep 60`]);
		t.is(await application.exited, 128 + constants.signals[signal]);
	});
}

test('a signal for an application that has ended already is nothing', async (t) => {
	const application = await startApplication(['true']);
	t.is(await application.exited, 0);
	t.false(application.signal('SIGTERM'));
});
