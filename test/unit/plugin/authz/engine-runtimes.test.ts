import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '#common/runtime/log.ts';
import { followEngineRuntimes } from '../../../../plugin/authz/engine-runtimes.ts';
import type { EngineInfo } from '../../../../plugin/docker.ts';
import type { ReloadWatch } from '../../../../plugin/engine-reloads.ts';

const info = (DefaultRuntime: string): EngineInfo => ({ Name: 'h', DockerRootDir: '/', DefaultRuntime });
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** An engine whose answers and reloads a test gives. */
function engine(t: ExecutionContext) {
	const waiting: { resolve: (info: EngineInfo) => void; reject: (error: Error) => void }[] = [];
	const followers: { watch: ReloadWatch; end: () => void; fail: (error: Error) => void; signal: AbortSignal }[] = [];
	const runtimes = followEngineRuntimes({
		engine: {
			info: () => new Promise((resolve, reject) => waiting.push({ resolve, reject })),
			followReloads: (watch, signal) => new Promise((end, fail) => {
				followers.push({ watch, end, fail, signal });
				signal.addEventListener('abort', () => fail(new Error('aborted')));
			}),
		},
		logger: silentLogger,
		pauseMs: 0,
	});
	t.teardown(() => runtimes.close());
	/** What is known, with the engine's answer if it is asked. */
	const known = async (answer: string): Promise<string | undefined> => {
		const asked = waiting.length;
		const answered = runtimes.known();
		waiting[asked]?.resolve(info(answer));
		return (await answered).DefaultRuntime;
	};
	const follower = async (index: number) => {
		while (followers.length <= index) await turn();
		return followers[index]!;
	};
	return { runtimes, waiting, followers, known, follower };
}

test('an answer holds until the engine has reloaded', async (t) => {
	const { waiting, followers, known } = engine(t);
	followers[0]!.watch.onBegin();
	t.is(await known('a'), 'a');
	t.is(await known('b'), 'a');
	t.is(waiting.length, 1);
	followers[0]!.watch.onReload();
	t.is(await known('b'), 'b');
	t.is(await known('c'), 'b');
});

test('who wants to know of reloads is told of each, and of one that may have been missed', async (t) => {
	const { runtimes, followers, follower } = engine(t);
	let told = 0;
	runtimes.whenReloaded(() => told++);
	followers[0]!.watch.onBegin();
	t.is(told, 1);
	followers[0]!.watch.onReload();
	t.is(told, 2);
	followers[0]!.end();
	(await follower(1)).watch.onBegin();
	t.is(told, 3);
});

test('while reloads are not heard of each question is asked anew', async (t) => {
	const { followers, known, follower } = engine(t);
	t.is(await known('a'), 'a');
	t.is(await known('b'), 'b');
	followers[0]!.watch.onBegin();
	t.is(await known('c'), 'c');
	t.is(await known('d'), 'c');
	followers[0]!.fail(new Error('the engine is away'));
	(await follower(1)).watch.onBegin();
	t.is(await known('e'), 'e', 'it may have reloaded, or be another one');
	followers[1]!.end();
	await follower(2);
	t.is(await known('f'), 'f');
	t.is(await known('g'), 'g');
});

test('an answer that was on its way when the engine reloaded is not kept', async (t) => {
	const { runtimes, waiting, followers, known } = engine(t);
	followers[0]!.watch.onBegin();
	const before = runtimes.known();
	followers[0]!.watch.onReload();
	waiting[0]!.resolve(info('a'));
	await before;
	t.is(await known('b'), 'b');
});

test('what could not be had is asked for again, and shared by those who ask meanwhile', async (t) => {
	const { runtimes, waiting, followers, known } = engine(t);
	followers[0]!.watch.onBegin();
	const both = [runtimes.known(), runtimes.known()];
	t.is(waiting.length, 1);
	waiting[0]!.reject(new Error('away'));
	for (const one of both) await t.throwsAsync(one, { message: 'away' });
	t.is(await known('b'), 'b');
});

test('whoever asks gets an answer of his own, and closed nothing is followed any more', async (t) => {
	const { runtimes, waiting, followers, known } = engine(t);
	followers[0]!.watch.onBegin();
	await known('a');
	const asked = runtimes.ask();
	waiting[1]!.resolve(info('b'));
	t.deepEqual(await asked, info('b'));
	runtimes.close();
	t.true(followers[0]!.signal.aborted);
	for (let turns = 0; turns < 5; turns++) await turn();
	t.is(followers.length, 1);
});
