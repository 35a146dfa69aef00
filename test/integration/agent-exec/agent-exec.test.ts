/** The agent as process 1 of a container: signals, orphans, terminals, exit codes, the end. */

import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import type { Container, ContainerCreateOptions } from 'dockerode';
import { AGENT, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SIGNALS = ['HUP', 'INT', 'QUIT', 'USR1', 'USR2', 'ALRM', 'WINCH', 'CONT', 'TERM'];
const ORPHANS = 1_000;
/** Processes that have ended and that nobody waited for. */
const ZOMBIES = 'grep -h "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l';

const sh = (script: string, more: ContainerCreateOptions = {}): ContainerCreateOptions => ({ Image: 'test/busybox', Entrypoint: ['sh', '-c'], Cmd: [script], ...more });

async function start(t: ExecutionContext, options: ContainerCreateOptions): Promise<Container> {
	return world.start(t, { commonName: world.name(), organizationalUnit: 'web-api' }, options);
}

const says = (container: Container, text: string): Promise<boolean> => eventually(`the application says ${text}`, async () => (await world.logs(container)).includes(text));

async function exitCode(container: Container): Promise<number> {
	return ((await container.wait()) as { StatusCode: number }).StatusCode;
}

test('each signal that is sent to the container reaches the application, and it decides how to end', async (t) => {
	const traps = SIGNALS.map((signal) => `trap 'echo got ${signal}' ${signal};`).join(' ');
	const container = await start(t, sh(`${traps} trap 'exit 9' TERM; echo ready; while :; do sleep 600 & wait $!; done`));
	await says(container, 'ready');
	for (const signal of SIGNALS.filter((name) => name !== 'TERM')) {
		await container.kill({ signal: `SIG${signal}` });
		await says(container, `got ${signal}`);
	}
	await container.kill({ signal: 'SIGTERM' });
	t.is(await exitCode(container), 9);
});

test('a thousand orphans at a time are reaped, and the application is still waited for', async (t) => {
	const container = await start(t, sh(`for n in $(seq ${ORPHANS}); do (true &); done; echo done; trap 'exit 3' TERM; while :; do sleep 600 & wait $!; done`));
	await says(container, 'done');
	await eventually('there is no zombie', async () => (await world.exec(container, ['sh', '-c', ZOMBIES])).stdout.trim() === '0');
	await container.stop({ t: 60 });
	t.is((await container.inspect()).State.ExitCode, 3);
});

test('an application that ignores SIGTERM is killed at the deadline, and its identity ends with it', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, sh('trap "" TERM; echo ready; sleep 600 & while :; do wait $!; done'));
	await says(container, 'ready');
	await container.stop({ t: 1 });
	const { State } = await container.inspect();
	t.is(State.ExitCode, 137);
	t.is(State.Pid, 0);
	await eventually('the identity is over', async () => (await world.identity(name)) === undefined);
});

test('a stop while the agent waits for the CA ends the container at once, and the application never ran', async (t) => {
	// Nobody listens on the discard port.
	const command = [AGENT, 'exec', '--timeout', '600', '--ca-url', 'https://127.0.0.1:9', '--', 'echo', 'application'];
	const container = await world.startWithoutAgent(t, { commonName: world.name(), organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: [AGENT], Cmd: command.slice(1), Env: ['BIRTHMARK_LOG=info'] });
	await says(container, 'trying again');
	await container.stop({ t: 60 });
	t.is((await container.inspect()).State.ExitCode, 128 + 15);
	t.false((await world.logs(container)).includes('application\n'));
});

for (const [what, command, code] of [['does not exist', '/no/such/program', 127], ['may not be run', '/run/birthmark/tls.crt', 126]] as const) {
	test(`an application that ${what} ends the container with ${code} and a sentence`, async (t) => {
		const container = await start(t, { Image: 'test/scratch', Entrypoint: [command], Cmd: [] });
		t.is(await exitCode(container), code);
		t.regex(await world.logs(container), /^birthmark: \/.* could not be started: .*\[application-not-started\]\n$/);
	});
}

test('standard input reaches the application, and its end too', async (t) => {
	const options = sh('cat; echo over', { OpenStdin: true, StdinOnce: true, AttachStdin: true });
	const container = await world.create(t, { commonName: world.name(), organizationalUnit: 'web-api' }, options);
	const stream = await container.attach({ stream: true, stdin: true, hijack: true });
	await container.start();
	stream.end('one\ntwo\n');
	t.is(await exitCode(container), 0);
	t.is(await world.logs(container), 'one\ntwo\nover\n');
});

test('a terminal is the application\'s: its size, its keys, and Ctrl-C once', async (t) => {
	const script = 'trap "echo interrupted" INT; trap "stty size" WINCH; tty; echo ready; while :; do sleep 600 & wait $!; done';
	const container = await world.create(t, { commonName: world.name(), organizationalUnit: 'web-api' }, sh(script, { Tty: true, OpenStdin: true, AttachStdin: true, AttachStdout: true }));
	const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true });
	t.teardown(() => void stream.end());
	let output = '';
	stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
	const shown = async (text: string): Promise<void> => {
		while (!output.includes(text)) await once(stream, 'data');
	};
	await container.start();
	await shown('ready');
	t.regex(output, /^\/dev\/(pts\/\d|console)/);
	await container.resize({ w: 91, h: 17 });
	await shown('17 91');
	stream.write('\x03');
	await shown('interrupted');
	// Whatever else is on its way comes before this.
	await container.resize({ w: 92, h: 18 });
	await shown('18 92');
	t.is(output.match(/interrupted/g)?.length, 1);
});

test('a container that is paused goes on where it was', async (t) => {
	const container = await start(t, sh('trap "echo still here" USR1; echo ready; while :; do sleep 600 & wait $!; done'));
	await says(container, 'ready');
	await container.pause();
	await container.unpause();
	await container.kill({ signal: 'SIGUSR1' });
	await says(container, 'still here');
	t.is((await world.exec(container, [AGENT, 'status'])).code, 0);
});

test('who runs the agent by himself enrols with once, renews with renew, and sees what he has', async (t) => {
	const name = world.name();
	const serial = `${AGENT} status | grep ^serial`;
	const script = `${AGENT} once && ${serial} && ${AGENT} once && ${serial} && ${AGENT} renew && ${serial}`;
	const container = await world.startWithoutAgent(t, { commonName: name, organizationalUnit: 'web-api' }, { ...sh(script) });
	t.is(await exitCode(container), 0, await world.logs(container));
	const [first, again, renewed] = [...(await world.logs(container)).matchAll(/^serial +([0-9a-f]+)$/gm)].map((match) => match[1]);
	t.is(again, first, 'once uses what is there');
	t.truthy(renewed);
	t.not(renewed, first);
});

test('a health check of the engine tells whether the identity is good, and why not', async (t) => {
	const second = 1_000_000_000;
	const Healthcheck = { Test: ['CMD', AGENT, 'health'], Interval: second, Timeout: 30 * second, Retries: 1 };
	const container = await start(t, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'], Healthcheck } as ContainerCreateOptions);
	const said = (status: string): Promise<string> => eventually(`the container is ${status}`, async () => {
		const { Health } = (await container.inspect()).State as { Health?: { Status: string; Log: { Output: string }[] } };
		return Health?.Status === status && (Health.Log.at(-1)?.Output ?? '');
	});
	t.regex(await said('healthy'), /^.*CN=api\w+.*, for another \d+ s\n$/);
	t.is((await world.exec(container, ['mv', '/run/birthmark/current', '/run/birthmark/elsewhere'])).code, 0);
	t.regex(await said('unhealthy'), /^there is no (whole )?identity in \/run\/birthmark/);
	t.is((await world.exec(container, ['mv', '/run/birthmark/elsewhere', '/run/birthmark/current'])).code, 0);
	await said('healthy');
});
