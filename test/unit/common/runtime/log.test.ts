/** Log lines: levels, the list of fields, and how much is said of an error. */

import test from 'ava';
import { execFile } from 'node:child_process';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { createLogger, LOG_LEVELS, silentLogger, type LogFields, type LogLevel } from '#common/runtime/log.ts';

function collect(level?: LogLevel) {
	const lines: string[] = [];
	const logger = createLogger('test', level, (line) => lines.push(line));
	return { logger, lines, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> };
}

for (const [at, level] of LOG_LEVELS.entries()) {
	test(`at level ${level} everything from there on is written`, (t) => {
		const { logger, lines } = collect(level);
		for (const name of LOG_LEVELS) logger[name](name);
		t.deepEqual(lines.map((line) => (JSON.parse(line) as { level: string }).level), LOG_LEVELS.slice(at));
	});
}

test('without a level debug is left out', (t) => {
	const { logger, lines } = collect();
	logger.debug('no');
	logger.info('yes');
	t.is(lines.length, 1);
});

test('a line says when, how grave, who and what', (t) => {
	const { logger, last } = collect();
	const before = Date.now();
	logger.warn('a "message"\nof two lines');
	const { time, ...rest } = last();
	t.deepEqual(rest, { level: 'warn', component: 'test', message: 'a "message"\nof two lines' });
	t.is(new Date(String(time)).toISOString(), String(time));
	t.true(Date.parse(String(time)) >= before);
});

const EVERY: Required<Omit<LogFields, 'error'>> = {
	code: 'usage', reason: 'r', method: 'GET', route: '/v1/sign/:token', status: 200, durationMs: 1.5, role: 'node', node: 'host1', commonName: 'api01',
	serial: 'ab', authorizationId: 'id', startId: 's', user: 'alice', client: 'swarm', containerId: 'c', serviceId: 's', image: 'i', volume: 'v', address: 'a', source: '192.0.2.7', path: '/p', count: 0, seconds: 1, signal: 'SIGTERM',
	version: '1', digest: 'd', settings: 'a.b', head: '1:ab',
};

test('every field of the list is written', (t) => {
	const { logger, last } = collect();
	logger.info('all', EVERY);
	t.like(last(), EVERY);
});

test('a field that is not in the list is left out, however it got in', (t) => {
	const { logger, lines, last } = collect();
	const answer = { node: 'host1', token: 'BMKTKN-1-secret', url: 'https://x/BMKTKN-1-secret', stack: 'BMKTKN-1-secret' };
	const { stack: _, ...withoutStack } = answer;
	logger.info('joined', withoutStack);
	t.is(last()['node'], 'host1');
	t.false(lines.join().includes('secret'));
	logger.info('failed', { error: Object.assign(new BirthmarkError('usage', 'sentence'), { token: 'secret', body: 'secret' }) });
	t.false(lines.join().includes('secret'));
});

test('a field cannot pass for the time, the level, the component or the message', (t) => {
	const { logger, last } = collect();
	const disguise = { node: 'host1', time: 'x', level: 'debug', component: 'x', message: 'x' };
	logger.error('real', disguise);
	t.like(last(), { level: 'error', component: 'test', message: 'real', node: 'host1' });
	t.not(last()['time'], 'x');
});

test('of an expected failure the code and the sentence are written, without a stack', (t) => {
	const { logger, last } = collect();
	logger.error('failed', { error: new BirthmarkError('ca-unavailable', 'the CA is away') });
	const { time: _, ...rest } = last();
	t.deepEqual(rest, { level: 'error', component: 'test', message: 'failed', code: 'ca-unavailable', error: 'the CA is away' });
});

test('of an unexpected one also the stack', (t) => {
	const { logger, last } = collect();
	logger.error('failed', { error: Object.assign(new TypeError('x is not a function'), { code: 'ERR_X' }) });
	t.like(last(), { code: 'ERR_X', error: 'x is not a function' });
	t.regex(String(last()['stack']), /^TypeError: x is not a function\n {4}at .*log\.test\.ts/);
});

test('causes are followed three deep', (t) => {
	const { logger, last } = collect();
	const chain = ['four', 'three', 'two', 'one'].reduce<Error | undefined>((cause, message) => new BirthmarkError('internal', message, cause && { cause }), undefined);
	logger.error('failed', { error: new BirthmarkError('usage', 'zero', { cause: chain }) });
	t.deepEqual(last()['cause'], { code: 'internal', error: 'one', cause: { code: 'internal', error: 'two', cause: { code: 'internal', error: 'three' } } });
});

test('an error that is its own cause is written all the same', (t) => {
	const { logger, last } = collect();
	const error = new BirthmarkError('usage', 'loop');
	error.cause = error;
	logger.error('failed', { error });
	t.is(last()['error'], 'loop');
});

test('what was thrown and is no error is written as text', (t) => {
	const { logger, last } = collect();
	for (const [thrown, text] of [['text', 'text'], [7, '7'], [null, 'null'], [Symbol('s'), 'Symbol(s)'], [new BirthmarkError('usage', 's', { cause: 'text' }), 's']] as const) {
		logger.error('failed', { error: thrown });
		t.is(last()['error'], text);
	}
	t.deepEqual(last()['cause'], { error: 'text' });
});

test('no error, no field', (t) => {
	const { logger, last } = collect();
	logger.info('fine', { error: undefined });
	t.deepEqual(Object.keys(last()), ['time', 'level', 'component', 'message']);
});

test('lines go to standard error, one each', async (t) => {
	const script = `import { createLogger } from ${JSON.stringify(import.meta.resolve('#common/runtime/log.ts'))}; const logger = createLogger('ca'); logger.info('a\\nb'); logger.info('c');`;
	const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
		execFile(process.execPath, ['--input-type=module', '-e', script], (_error, out, err) => resolve({ stdout: out, stderr: err }));
	});
	t.is(stdout, '');
	t.deepEqual(stderr.trimEnd().split('\n').map((line) => (JSON.parse(line) as { message: string }).message), ['a\nb', 'c']);
});

test('the silent logger has the same methods and writes nothing', (t) => {
	const write = process.stderr.write;
	const written: unknown[] = [];
	process.stderr.write = (chunk: unknown) => written.push(chunk) > 0;
	try {
		for (const name of LOG_LEVELS) silentLogger[name]('no', { error: new Error('no') });
	} finally {
		process.stderr.write = write;
	}
	t.deepEqual(written, []);
});
