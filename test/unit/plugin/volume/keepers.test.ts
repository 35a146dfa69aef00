import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import type { LogFields } from '#common/runtime/log.ts';
import { createKeepers } from '../../../../plugin/volume/keepers.ts';

const IDENTITY = { volume: 'a'.repeat(64), commonName: 'api01', uid: 1000, gid: 1001 };

/** A shell script in the agent's place. */
function world(t: ExecutionContext, script: string, options: { readyMs?: number } = {}) {
	const made = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => made.removeCallback());
	const agent = join(made.name, 'agent.sh');
	writeFileSync(agent, `#!/bin/sh\necho $$ "$@" >> runs\n${script}\n`, { mode: 0o755 });
	const warned: Array<{ message: string; fields: LogFields | undefined }> = [];
	const logger = { info: () => undefined, warn: (message: string, fields?: LogFields) => void warned.push({ message, fields }) };
	const keepers = createKeepers({ logger, agent, firstRetryMs: 5, readyMs: 60_000, ...options });
	t.teardown(() => keepers.close());
	const runs = (): string[] => (existsSync(join(made.name, 'runs')) ? readFileSync(join(made.name, 'runs'), 'utf8').trim().split('\n') : []);
	const pids = () => runs().map((line) => Number(line.split(' ')[0]));
	/** Resolves when so many have been started. */
	const started = async (count: number): Promise<void> => {
		const watcher = watch(made.name);
		try {
			while (runs().length < count) await once(watcher, 'change');
		} finally {
			watcher.close();
		}
	};
	return { keepers, directory: made.name, warned, runs, pids, started };
}

const isAlive = (pid: number): boolean => {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
};
const STAYS = 'echo ready; exec cat';

test('the agent is started as the user of the container, in its directory, and is ready before the start goes on', async (t) => {
	const { keepers, directory, runs, pids } = world(t, STAYS);
	await keepers.start(IDENTITY, directory, 60_000);
	t.regex(runs()[0]!, /^\d+ keep --as 1000:1001 --timeout \d+$/);
	t.true(isAlive(pids()[0]!));
	await keepers.stop(IDENTITY.volume);
	t.false(isAlive(pids()[0]!));
});

test('it has nothing of the environment of the plugin', async (t) => {
	process.env['JOIN_TOKEN_OF_TEST'] = 'secret';
	const { keepers, directory } = world(t, `env > environment; ${STAYS}`);
	await keepers.start(IDENTITY, directory, 60_000);
	t.notRegex(readFileSync(join(directory, 'environment'), 'utf8'), /secret/);
});

test('an agent that gets no identity ends the start with its own sentence and code', async (t) => {
	const { keepers, directory, runs } = world(t, 'echo "birthmark: the token is past its time [token-expired]" >&2; exit 77');
	await t.throwsAsync(keepers.start(IDENTITY, directory, 60_000), { code: 'token-expired', message: /the token is past its time/ });
	await setImmediate();
	t.is(runs().length, 1);
});

test('an agent that says nothing in time is ended', async (t) => {
	const { keepers, directory, pids } = world(t, 'exec cat', { readyMs: 50 });
	await t.throwsAsync(keepers.start(IDENTITY, directory, 60_000), { code: 'mount-failed' });
	t.false(pids().some(isAlive));
});

test('an agent ends before the engine goes on without it, and has said why', async (t) => {
	const { keepers, directory, runs } = world(t, STAYS);
	const timeouts: (string | undefined)[] = [];
	for (const withinMs of [60_000, 12_500, 3_000]) {
		await keepers.start(IDENTITY, directory, withinMs);
		timeouts.push(/--timeout (\d+)$/.exec(runs().at(-1)!)?.[1]);
	}
	t.deepEqual(timeouts, ['20', '7', '1']);
	const silent = world(t, 'exec cat');
	await t.throwsAsync(silent.keepers.start(IDENTITY, silent.directory, 50), { code: 'mount-failed' });
	t.false(silent.pids().some(isAlive));
});

test('a plugin without an agent says so', async (t) => {
	const { directory } = world(t, '');
	const keepers = createKeepers({ logger: { info: () => undefined, warn: () => undefined }, agent: '/nonexistent/agent' });
	await t.throwsAsync(keepers.start(IDENTITY, directory, 60_000), { code: 'mount-failed', message: /ENOENT/ });
});

test('one that dies is started again', async (t) => {
	const { keepers, directory, pids, started, warned } = world(t, STAYS);
	await keepers.start(IDENTITY, directory, 60_000);
	process.kill(pids()[0]!, 'SIGKILL');
	await started(2);
	t.regex(warned[0]!.message, /started again/);
	t.is(warned[0]!.fields?.commonName, 'api01');
	await keepers.close();
	t.false(pids().some(isAlive));
});

test('one that never comes far is tried again more and more seldom, until it is stopped', async (t) => {
	const { keepers, directory, started, warned, runs } = world(t, 'echo "birthmark: no [ca-unavailable]" >&2; exit 69');
	keepers.resume(IDENTITY, directory);
	await started(4);
	await keepers.stop(IDENTITY.volume);
	const count = runs().length;
	const pauses = warned.map(({ fields }) => fields!.seconds!);
	t.deepEqual(pauses.slice(0, 3), [0.005, 0.01, 0.02]);
	t.is(warned[0]!.fields?.reason, 'birthmark: no [ca-unavailable]');
	await setImmediate();
	t.is(runs().length, count);
});

test('another start of the same volume ends the one before', async (t) => {
	const { keepers, directory, pids } = world(t, STAYS);
	await keepers.start(IDENTITY, directory, 60_000);
	await keepers.start(IDENTITY, directory, 60_000);
	t.deepEqual(pids().map(isAlive), [false, true]);
});

test('what it logs is in the log of the plugin', async (t) => {
	const { keepers, directory, warned } = world(t, `echo '{"level":"warn","message":"renewal failed"}' >&2; ${STAYS}`);
	await keepers.start(IDENTITY, directory, 60_000);
	await keepers.stop(IDENTITY.volume);
	t.is(warned[0]!.fields?.reason, 'renewal failed');
});

test('a plugin that has no descriptors left says so, tries again, and does not end', (t) => {
	const { directory } = world(t, '');
	const module = new URL('../../../../plugin/volume/keepers.ts', import.meta.url).href;
	const program = `
		import { closeSync, openSync } from 'node:fs';
		import { createKeepers } from ${JSON.stringify(module)};
		const identity = ${JSON.stringify(IDENTITY)};
		const held = [];
		const failed = Promise.withResolvers();
		const keepers = createKeepers({ logger: { info() {}, warn: (message, { reason }) => failed.resolve(reason) }, agent: ${JSON.stringify(join(directory, 'agent.sh'))}, firstRetryMs: 5 });
		console.log('begins');
		try { for (;;) held.push(openSync('/dev/null')); } catch {}
		const [code] = await Promise.all([keepers.start(identity, '/', 60_000).catch((error) => error.code), keepers.resume(identity, '/')]);
		const reason = await failed.promise;
		await keepers.close();
		held.forEach(closeSync);
		console.log(code, reason);
	`;
	const { stdout, stderr, status } = spawnSync('sh', ['-c', 'ulimit -n 64 && exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', program], { encoding: 'utf8' });
	t.is(status, 0, stderr);
	t.regex(stdout, /^begins\nmount-failed \S/);
});
