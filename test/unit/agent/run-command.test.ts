import test from 'ava';
import { runCommand } from '../../../agent/run-command.ts';

const never = new AbortController().signal;

function children() {
	const seen: string[] = [];
	const pids: number[] = [];
	return {
		seen,
		pids,
		began: (pid: number) => {
			seen.push('began');
			pids.push(pid);
		},
		ended: () => void seen.push('ended'),
	};
}

const sh = (script: string): [string, ...string[]] => ['/bin/sh', '-c', script];

test('a command that ends with 0 has done it, and whoever reaps is told of it', async (t) => {
	const ours = children();
	t.is(await runCommand(['true'], never, ours), undefined);
	t.deepEqual(ours.seen, ['began', 'ended']);
});

test('words are arguments, whatever is in them', async (t) => {
	t.is(await runCommand(['/bin/sh', '-c', 'test "$1" = "a b; exit 1" && test $# = 2', 'sh', 'a b; exit 1', ''], never, children()), undefined);
});

test('it gets no input', async (t) => {
	t.is(await runCommand(sh('! read line'), never, children()), undefined);
});

for (const [what, script, sentence] of [
	['its exit code', 'exit 3', '/bin/sh ended with exit code 3'],
	['its last words', 'echo first; echo "nginx: [emerg] no such file" >&2; exit 1', '/bin/sh ended with exit code 1: nginx: [emerg] no such file'],
	['not what steers a terminal', 'printf "\\033[2Jx"; exit 1', '/bin/sh ended with exit code 1: ?[2Jx'],
	['the signal', 'kill -USR1 $$', '/bin/sh was ended by SIGUSR1'],
] as const) {
	test(`of a failure is told: ${what}`, async (t) => {
		t.is(await runCommand(sh(script), never, children()), sentence);
	});
}

test('a lot of output is read and little of it kept', async (t) => {
	const sentence = await runCommand(sh('head -c 3000000 /dev/zero | tr "\\0" x; exit 1'), never, children());
	t.is(sentence, `/bin/sh ended with exit code 1: ${'x'.repeat(300)}`);
});

test('what it leaves behind is not waited for', async (t) => {
	const ours = children();
	t.is(await runCommand(sh('sleep 60 & exit 0'), never, ours), undefined);
	process.kill(-ours.pids[0]!, 'SIGKILL');
});

test('one that does not end is stopped, with its children', async (t) => {
	const ours = children();
	t.is(await runCommand(sh('sleep 60; true'), never, ours, 100), '/bin/sh did not end within 0.1 s and was stopped');
	t.deepEqual(ours.seen, ['began', 'ended']);
});

test('one that nobody wants any more is stopped', async (t) => {
	const stop = new AbortController();
	const ours = children();
	const running = runCommand(sh('sleep 60'), stop.signal, ours);
	const reason = new Error('superseded');
	stop.abort(reason);
	t.is(await t.throwsAsync(running), reason);
	t.deepEqual(ours.seen, ['began', 'ended']);
});

// Others would see the changed function: first, and alone.
test.serial('one that runs as somebody else and cannot be stopped is given up, and known until it ends', async (t) => {
	const { kill } = process;
	const refused: number[] = [];
	process.kill = (pid) => {
		refused.push(pid);
		throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
	};
	t.teardown(() => void (process.kill = kill));
	const ended = Promise.withResolvers<void>();
	const ours = children();
	const stop = new AbortController();
	const running = runCommand(sh('sleep 60; true'), stop.signal, { ...ours, ended: () => ended.resolve() }, 100);
	t.is(await running, '/bin/sh did not end within 0.1 s, and the agent may not stop it');
	t.deepEqual(refused, [-ours.pids[0]!]);
	t.deepEqual(ours.seen, ['began']);
	kill(-ours.pids[0]!, 'SIGKILL');
	await ended.promise;
});

test('a program that is not there, or none', async (t) => {
	const ours = children();
	t.is(await runCommand(['/nonexistent/nginx', '-s'], never, ours), '/nonexistent/nginx could not be started (ENOENT)');
	t.is(await runCommand(['/etc/passwd'], never, ours), '/etc/passwd could not be started (EACCES)');
	t.deepEqual(ours.seen, []);
});
