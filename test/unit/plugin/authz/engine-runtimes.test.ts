import test from 'ava';
import { createEngineRuntimes } from '../../../../plugin/authz/engine-runtimes.ts';
import type { EngineInfo } from '../../../../plugin/docker.ts';

function engine() {
	const waiting: { resolve: (info: EngineInfo) => void; reject: (error: Error) => void }[] = [];
	const runtimes = createEngineRuntimes({ info: () => new Promise((resolve, reject) => waiting.push({ resolve, reject })) });
	const info = (DefaultRuntime: string): EngineInfo => ({ Name: 'h', DockerRootDir: '/', DefaultRuntime });
	return { runtimes, waiting, info };
}

test('at first everybody waits for the same answer', async (t) => {
	const { runtimes, waiting, info } = engine();
	const both = Promise.all([runtimes.glance(), runtimes.look()]);
	waiting[0]!.resolve(info('a'));
	t.deepEqual(await both, [info('a'), info('a')]);
	t.is(waiting.length, 1);
});

test('a glance gives the last answer and asks for another, for which a look waits', async (t) => {
	const { runtimes, waiting, info } = engine();
	const first = runtimes.glance();
	waiting[0]!.resolve(info('a'));
	await first;
	t.deepEqual(await runtimes.glance(), info('a'));
	const look = runtimes.look();
	waiting[1]!.resolve(info('b'));
	t.deepEqual(await look, info('b'));
	t.deepEqual(await runtimes.look(), info('b'), 'no other was glanced at since');
	t.is(waiting.length, 2);
});

test('what could not be had is asked for again, and old answers do not take its place', async (t) => {
	const { runtimes, waiting, info } = engine();
	const first = runtimes.glance();
	waiting[0]!.resolve(info('a'));
	await first;
	await runtimes.glance();
	const look = runtimes.look();
	waiting[1]!.reject(new Error('away'));
	await t.throwsAsync(look);
	const next = runtimes.look();
	waiting[2]!.resolve(info('c'));
	t.deepEqual(await next, info('c'));
});

test('whoever asks gets an answer of his own', async (t) => {
	const { runtimes, waiting, info } = engine();
	const first = runtimes.glance();
	const asked = runtimes.ask();
	waiting[1]!.resolve(info('b'));
	t.deepEqual(await asked, info('b'));
	waiting[0]!.resolve(info('a'));
	await first;
});
