import test from 'ava';
import { EventEmitter } from 'node:events';
import { Interrupted, routeSignals } from '../../../agent/signals.ts';

function route(onTerminal: boolean) {
	const process = new EventEmitter();
	const received: string[] = [];
	const router = routeSignals(process as unknown as NodeJS.Process, () => onTerminal);
	return { received, router, forward: () => router.forwardTo((signal) => void received.push(signal)), send: (signal: NodeJS.Signals) => process.emit(signal, signal) };
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
	test(`${signal} before the application is there ends the agent`, (t) => {
		const { router, send } = route(false);
		send(signal);
		t.true(router.interruption.aborted);
		t.is((router.interruption.reason as Interrupted).signal, signal);
	});
}

test('signals that end nothing are ignored until there is an application', (t) => {
	const { router, send } = route(false);
	send('SIGUSR1');
	send('SIGWINCH');
	t.false(router.interruption.aborted);
});

test('the application gets the signals of the container', (t) => {
	const { router, received, forward, send } = route(false);
	forward();
	for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGQUIT', 'SIGHUP', 'SIGCONT'] as const) send(signal);
	t.deepEqual(received, ['SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGQUIT', 'SIGHUP', 'SIGCONT']);
	t.false(router.interruption.aborted);
});

test('a signal that came just before the application was there reaches it', (t) => {
	const { received, forward, send } = route(false);
	send('SIGTERM');
	forward();
	t.deepEqual(received, ['SIGTERM']);
});

test('on a terminal the application does not get twice what the terminal sends it', (t) => {
	const { received, forward, send } = route(true);
	forward();
	for (const signal of ['SIGINT', 'SIGQUIT', 'SIGWINCH', 'SIGTERM', 'SIGHUP'] as const) send(signal);
	t.deepEqual(received, ['SIGTERM', 'SIGHUP']);
});
