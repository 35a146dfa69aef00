/** Signals to real processes; commands and requests have tests of their own. */

import test, { type ExecutionContext } from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tell } from '../../../agent/tell.ts';

const never = new AbortController().signal;
const children = { began: () => {}, ended: () => {} };

/** A process that says what its start says, then each line that it prints. */
async function application(t: ExecutionContext, program: string, ...args: string[]) {
	const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
	t.teardown(() => child.kill('SIGKILL'));
	const said = async () => String((await once(child.stdout, 'data'))[0]).trim();
	t.is(await said(), 'ready');
	return { child, said, pid: child.pid!, signal: (signal: NodeJS.Signals) => child.kill(signal) };
}

const NODE = process.execPath;
const CATCHES_HUP = `process.on('SIGHUP', () => console.log('reloaded')); process.stdin.resume(); console.log('ready')`;

test('an application that catches the signal is sent it', async (t) => {
	const app = await application(t, NODE, '-e', CATCHES_HUP);
	const reloaded = app.said();
	t.is(await tell({ way: 'signal', signal: 'SIGHUP' }, never, { application: app, children }), undefined);
	t.is(await reloaded, 'reloaded');
});

test('an application that does not catch it lives on', async (t) => {
	const app = await application(t, NODE, '-e', `process.on('SIGUSR2', () => {}); process.stdin.on('data', () => console.log('alive')); console.log('ready')`);
	const sentence = await tell({ way: 'signal', signal: 'SIGHUP' }, never, { application: app, children });
	t.regex(sentence!, /^SIGHUP would end it, so it was not sent/);
	app.child.stdin.write('?');
	t.is(await app.said(), 'alive');
});

test('a shell in front of the server is told from the server', async (t) => {
	const app = await application(t, '/bin/sh', '-c', 'echo ready; sleep 60; true');
	t.regex((await tell({ way: 'signal', signal: 'SIGUSR1' }, never, { application: app, children }))!, /a start script has to exec the server$/);
});

test('an application that ignores the signal is known for it', async (t) => {
	const app = await application(t, '/bin/sh', '-c', `trap '' HUP; echo ready; sleep 60; true`);
	t.is(await tell({ way: 'signal', signal: 'SIGHUP' }, never, { application: app, children }), 'it ignores SIGHUP');
});

test('one that has ended is not signalled', async (t) => {
	const app = await application(t, '/bin/sh', '-c', 'echo ready');
	if (app.child.exitCode === null) await once(app.child, 'exit');
	t.regex((await tell({ way: 'signal', signal: 'SIGHUP' }, never, { application: { ...app, signal: () => t.fail() as never }, children }))!, /was not sent/);
});

test('one that has become another user, whom the agent may not signal, was not told', async (t) => {
	const app = await application(t, NODE, '-e', CATCHES_HUP);
	const sentence = await tell({ way: 'signal', signal: 'SIGHUP' }, never, { application: { ...app, signal: () => false }, children });
	t.regex(sentence!, /^SIGHUP could not be sent to it: it runs as another user/);
});

test('a command and a request are the other ways', async (t) => {
	const deps = { application: { pid: 1, signal: () => t.fail() as never }, children };
	t.is(await tell({ way: 'exec', command: ['true'] }, never, deps), undefined);
	t.is(await tell({ way: 'http', to: { socketPath: '/nonexistent' }, path: '/' }, never, deps), 'POST / at /nonexistent failed (ENOENT)');
});
