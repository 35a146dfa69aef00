/** The end of a process, in real processes. */

import test, { type ExecutionContext } from 'ava';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';

interface Service {
	readonly child: ChildProcess;
	/** waits for a line of standard output */
	said(line: string): Promise<void>;
	ended(): Promise<{ code: number | null; log: Array<Record<string, unknown>> }>;
}

/** A service that stays until it is told to stop; `close` is the body of its closing function, in which `release()` lets go of everything. */
async function start(t: ExecutionContext, close: string, before = ''): Promise<Service> {
	const script = `
		import { createLogger } from ${JSON.stringify(import.meta.resolve('#common/runtime/log.ts'))};
		import { onShutdown } from ${JSON.stringify(import.meta.resolve('#common/runtime/shutdown.ts'))};
		const hold = setInterval(() => {}, 1e6);
		const release = () => clearInterval(hold);
		const say = (line) => process.stdout.write(line + '\\n');
		${before}
		onShutdown(createLogger('test'), async () => { ${close} });
		say('ready');`;
	const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
	t.teardown(() => child.kill('SIGKILL'));
	let stderr = '';
	child.stderr!.on('data', (chunk: Buffer) => void (stderr += chunk.toString()));
	const lines: Interface = createInterface({ input: child.stdout! });
	const iterator = lines[Symbol.asyncIterator]();
	const closed = once(child, 'close');
	const service: Service = {
		child,
		async said(line) {
			t.is((await iterator.next()).value, line);
		},
		async ended() {
			const [code] = (await closed) as [number | null];
			return { code, log: stderr.trimEnd().split('\n').filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>) };
		},
	};
	await service.said('ready');
	return service;
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
	test(`${signal} closes in order and ends with 0`, async (t) => {
		const service = await start(t, `await new Promise((done) => setImmediate(done)); say('closed');`);
		service.child.kill(signal);
		await service.said('closed');
		const { code, log } = await service.ended();
		t.is(code, 0);
		t.is(log.length, 1);
		t.like(log[0], { level: 'info', message: 'stopping', signal });
	});
}

test('a closing that fails ends with 1 and says why', async (t) => {
	const service = await start(t, `throw new Error('the disk is gone');`);
	service.child.kill('SIGTERM');
	const { code, log } = await service.ended();
	t.is(code, 1);
	t.like(log.at(-1), { level: 'error', message: 'stopping failed', error: 'the disk is gone' });
});

test('more signals change nothing: it closes once and is left to finish', async (t) => {
	const service = await start(t, `
		say('closing');
		let signals = 0;
		await new Promise((done) => { for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => { say('again'); if (++signals === 2) done(); }); });
		say('closed');`);
	service.child.kill('SIGTERM');
	await service.said('closing');
	service.child.kill('SIGTERM');
	await service.said('again');
	service.child.kill('SIGINT');
	await service.said('again');
	await service.said('closed');
	const { code, log } = await service.ended();
	t.is(code, 0);
	t.is(log.filter(({ message }) => message === 'stopping').length, 1);
});

/** The ten seconds of the deadline, and only they, pass at once. */
const QUICK_DEADLINE = 'const real = setTimeout; globalThis.setTimeout = (run, ms, ...rest) => real(run, ms === 10_000 ? 20 : ms, ...rest);';

test('a closing that hangs is ended after the deadline, with 1', async (t) => {
	const service = await start(t, 'await new Promise(() => {});', QUICK_DEADLINE);
	service.child.kill('SIGTERM');
	const { code, log } = await service.ended();
	t.is(code, 1);
	t.like(log.at(-1), { level: 'error', message: 'stopping took too long', seconds: 10 });
});

test('also when nothing but a promise is left of it, which Node would end with 0', async (t) => {
	const service = await start(t, 'release(); await new Promise(() => {});', QUICK_DEADLINE);
	service.child.kill('SIGTERM');
	t.is((await service.ended()).code, 1);
});

test('an open connection does not keep it from ending once it has closed', async (t) => {
	const service = await start(t, `say('closed');`, `(await import('node:net')).createServer().listen(0);`);
	service.child.kill('SIGTERM');
	await service.said('closed');
	t.is((await service.ended()).code, 0);
});
