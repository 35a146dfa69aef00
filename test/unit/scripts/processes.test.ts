import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { commandLine, isAlive, originOf } from '../../../scripts/processes.ts';

test('of processes that look alike the origin is the one that is alive and no child of another, whatever their order', async (t) => {
	const child = spawn('sleep', ['600']);
	t.teardown(() => child.kill());
	await once(child, 'spawn');
	const [parent, pid] = [process.pid, child.pid!];
	t.is(originOf([pid, parent]), parent);
	t.is(originOf([parent, pid]), parent);
	t.is(originOf([pid]), pid);
	child.kill();
	await once(child, 'exit');
	t.is(originOf([pid]), undefined);
	t.is(originOf([]), undefined);
});

test('what is known of a process that has ended is nothing', async (t) => {
	t.true(isAlive(process.pid));
	t.true(commandLine(process.pid).length > 1);
	const child = spawn('true');
	await once(child, 'exit');
	t.false(isAlive(child.pid!));
	t.deepEqual(commandLine(child.pid!), ['']);
});
