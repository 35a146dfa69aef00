/** The real program, in front of one that writes down how it was called, before a plugin that answers as told. */

import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { VERSION } from '#common/protocol/version.ts';
import { buildRuntime, RUNTIME_EXECUTABLE } from '../../../../scripts/build-runtime.ts';
import { Steps } from '../../../../scripts/steps.ts';
import { encodeAnswer, QuestionReader, type Answer, type Question } from '../../../../plugin/hook/wire.ts';

const ID = 'c0ffee00'.repeat(8);
const LABELLED = '{"Config":{"Labels":{"birthmark.cn":"api01"}}}';
const CONFIG = '{"ociVersion":"1.0.2","process":{"args":["sh"]}}';

interface Ran {
	readonly code: number;
	readonly stderr: string;
}

interface Host {
	readonly directory: string;
	readonly bundle: string;
	readonly log: string;
	readonly questions: Question[];
	run(args: readonly string[], env?: Record<string, string>): Promise<Ran>;
	/** arguments and environment with which the real runtime was called; undefined when it was not */
	called(): { readonly args: string[]; readonly env: string } | undefined;
	answers(answer: Answer | ((question: Question) => string)): Promise<void>;
}

test.before(async () => {
	await buildRuntime(new Steps(tmp.tmpNameSync()));
});

function host(t: ExecutionContext, state: string | undefined = LABELLED): Host {
	const folder = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => folder.removeCallback());
	const directory = folder.name;
	const executable = join(directory, 'birthmark-runtime');
	const bundle = join(directory, 'moby', ID);
	const log = join(directory, 'log.json');
	const record = join(directory, 'called');
	const questions: Question[] = [];
	copyFileSync(RUNTIME_EXECUTABLE, executable);
	writeFileSync(join(directory, 'runc'), `#!/bin/sh\nprintf '%s\\n' "$@" >'${record}'\nenv >'${record}.env'\n`);
	chmodSync(join(directory, 'runc'), 0o755);
	writeFileSync(`${executable}.conf`, `# by a test\nruntime=${directory}/runc\ndata-root=${directory}/data\nsocket=${directory}/hook.sock\n`);
	mkdirSync(bundle, { recursive: true });
	writeFileSync(join(bundle, 'config.json'), CONFIG, { mode: 0o640 });
	if (state !== undefined) {
		mkdirSync(join(directory, 'data/containers', ID), { recursive: true });
		writeFileSync(join(directory, 'data/containers', ID, 'config.v2.json'), state);
	}
	return {
		directory,
		bundle,
		log,
		questions,
		run: (args, env = {}) =>
			new Promise((resolve) => {
				execFile(executable, args, { env, cwd: directory }, (error, _, stderr) => resolve({ code: error ? Number(error.code) : 0, stderr }));
			}),
		called: () => (existsSync(record) ? { args: readFileSync(record, 'utf8').split('\n').slice(0, -1), env: readFileSync(`${record}.env`, 'utf8') } : undefined),
		answers: async (answer) => {
			const server = createServer((socket) => {
				const reader = new QuestionReader();
				// The runtime may leave before it has read an answer to its end.
				socket.on('error', () => {});
				socket.on('data', (bytes: Buffer) => {
					const question = reader.push(bytes);
					if (!question) return;
					questions.push(question);
					socket.end(typeof answer === 'function' ? answer(question) : encodeAnswer(answer));
				});
			});
			t.teardown(() => server.close());
			await new Promise<void>((resolve) => server.listen(join(directory, 'hook.sock'), resolve));
		},
	};
}

const create = ({ bundle, log }: Host): string[] => ['--root', '/run/x', '--log', log, '--log-format', 'json', 'create', '--bundle', bundle, '--pid-file', `${bundle}/pid`, ID];

test('every call goes to the real runtime with its arguments and its environment', async (t) => {
	const there = host(t);
	for (const args of [['--version'], ['features'], ['--root', '/r', 'delete', ID], ['--debug', 'state', ID], ['create'], ['list', 'create', ID], []]) {
		t.is((await there.run(args, { A: 'b', PATH: '/usr/bin:/bin' })).code, 0, args.join(' '));
		t.deepEqual(there.called()?.args.filter((arg) => arg !== ''), args);
		t.regex(there.called()!.env, /^A=b$/m);
	}
});

test('a container without labels of ours is created without a question, its bundle untouched', async (t) => {
	const there = host(t, '{"Config":{"Labels":{"other.birthmark":"x"}}}');
	const before = statSync(join(there.bundle, 'config.json'), { bigint: true });
	t.is((await there.run(create(there))).code, 0);
	t.deepEqual(there.called()?.args, create(there));
	t.is(readFileSync(join(there.bundle, 'config.json'), 'utf8'), CONFIG);
	t.is(statSync(join(there.bundle, 'config.json'), { bigint: true }).ctimeNs, before.ctimeNs);
});

test('a value that begins like a label is none: such a container runs without the plugin, too', async (t) => {
	for (const value of ['"birthmark.example.com"', '["birthmark.sh","--birthmark.x"]', '{"name":"birthmark."}']) {
		const there = host(t, `{"Config":{"Hostname":${value},"Labels":{}}}`);
		t.is((await there.run(create(there))).code, 0, value);
		t.deepEqual(there.called()?.args, create(there));
	}
	for (const state of ['{"Labels":{"birthmark.":""}}', '{"a":"birthmark.x","Labels":{"birthmark.cn":"x"}}', '{"birthmark.a\\"b":1}', '["birthmark.', '["birthmark.x"', '{"birthmark.cn" : 1}']) {
		const there = host(t, state);
		await there.answers({ verdict: 'refused', sentence: 'asked' });
		t.like(await there.run(create(there)), { code: 1, stderr: 'asked\n' }, state);
	}
});

test('a program in whose place another one was put while it started finds its settings', async (t) => {
	const there = host(t, '{"Config":{"Labels":{}}}');
	const script = 'exec 3<"$0"; cp "$0" "$0.new"; mv "$0.new" "$0"; exec /proc/self/fd/3 "$@"';
	const { status, stderr } = spawnSync('/bin/sh', ['-c', script, join(there.directory, 'birthmark-runtime'), ...create(there)], { encoding: 'utf8' });
	t.is(status, 0, stderr);
	t.deepEqual(there.called()?.args, create(there));
});

test('what is no container of the engine is none of ours', async (t) => {
	const there = host(t);
	t.is((await there.run(['create', '--bundle', '/somewhere', 'k1x3vv7jj5tq6fg4i2y1kx8wq'])).code, 0);
	t.is((await there.run(['create', '--bundle', '/run/containerd/plugins.moby/x', 'f'.repeat(64)])).code, 0);
	t.is(there.called()?.args[2], '/run/containerd/plugins.moby/x');
});

test('the plugin gets what the engine says and the bundle\'s configuration, and may leave it as it is', async (t) => {
	const there = host(t);
	await there.answers({ verdict: 'unchanged' });
	t.deepEqual(await there.run(create(there)), { code: 0, stderr: '' });
	t.like(there.questions[0], { verb: 'create', containerId: ID, executable: join(there.directory, 'birthmark-runtime'), state: Buffer.from(LABELLED), config: Buffer.from(CONFIG) });
	t.is(readFileSync(join(there.bundle, 'config.json'), 'utf8'), CONFIG);
	t.deepEqual(there.called()?.args, create(there));
});

test('another configuration takes the place of the bundle\'s, with the mode of that', async (t) => {
	const there = host(t);
	const config = `{"big":"${'x'.repeat(3_000_000)}"}`;
	await there.answers({ verdict: 'config', config });
	t.is((await there.run(create(there))).code, 0);
	t.is(readFileSync(join(there.bundle, 'config.json'), 'utf8'), config);
	t.is(statSync(join(there.bundle, 'config.json')).mode & 0o777, 0o640);
	t.deepEqual(readdirSync(there.bundle), ['config.json']);
	t.deepEqual(there.called()?.args, create(there));
});

test('a refusal is what the engine finds last in the log, and nothing is run', async (t) => {
	const there = host(t);
	writeFileSync(there.log, '{"level":"warning","msg":"before"}\n');
	await there.answers({ verdict: 'refused', sentence: 'birthmark: not "this" one \\ [policy-refused]' });
	const { code, stderr } = await there.run(create(there));
	t.is(code, 1);
	t.is(stderr, 'birthmark: not "this" one \\ [policy-refused]\n');
	const lines = readFileSync(there.log, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as object);
	t.deepEqual(lines.at(-1), { level: 'error', msg: 'birthmark: not "this" one \\ [policy-refused]' });
	t.is(there.called(), undefined);
});

test('without the plugin a labelled container is refused', async (t) => {
	const there = host(t);
	const { code, stderr } = await there.run(create(there));
	t.is(code, 1);
	t.regex(stderr, /^birthmark: .*docker plugin enable.* \[plugin-unavailable\]\n$/);
	t.is(there.called(), undefined);
});

const NO_ANSWERS: Record<string, string> = {
	'cut off': '',
	'another word': 'perhaps 0\n',
	'too long': 'config 99999999999\n',
	'shorter than it says': 'config 10\n{}',
	'without a length': 'unchanged\n',
	'without an end': 'unchanged 0'.padEnd(200, ' '),
};

for (const [what, text] of Object.entries(NO_ANSWERS)) {
	test(`an answer that is no answer is a refusal: ${what}`, async (t) => {
		const there = host(t);
		await there.answers(() => text);
		const { code, stderr } = await there.run(create(there));
		t.is(code, 1);
		t.regex(stderr, /\[plugin-unavailable\]/);
		t.is(there.called(), undefined);
		t.is(readFileSync(join(there.bundle, 'config.json'), 'utf8'), CONFIG);
	});
}

test('a plugin that is just being started is waited for', async (t) => {
	const there = host(t);
	const running = there.run(create(there));
	await there.answers({ verdict: 'unchanged' });
	t.is((await running).code, 0);
});

test('a plugin that crashed, and left its socket, is waited for', async (t) => {
	const there = host(t);
	const path = join(there.directory, 'hook.sock');
	const crashed = createServer();
	await new Promise<void>((resolve) => crashed.listen(path, resolve));
	linkSync(path, `${path}.left`);
	await new Promise((resolve) => crashed.close(resolve));
	renameSync(`${path}.left`, path);
	const running = there.run(create(there));
	rmSync(path);
	await there.answers({ verdict: 'unchanged' });
	t.is((await running).code, 0);
});

test('options are read as the runtime reads them', async (t) => {
	const there = host(t);
	await there.answers({ verdict: 'refused', sentence: 'birthmark: no [internal]' });
	const { bundle } = there;
	const forms: string[][] = [
		['create', '-b', bundle, ID],
		['create', `--bundle=${bundle}`, '--no-pivot', ID],
		['create', `-bundle=${bundle}`, '--', ID],
		['--debug', '--systemd-cgroup', '--rootless=true', 'create', '--preserve-fds', '2', '--no-new-keyring', '-bundle', bundle, ID],
		['--log=create', '--log-format=text', '--criu', 'create', 'create', '--console-socket', 's', '--bundle', bundle, ID],
		['run', '-d', '--bundle', bundle, ID],
		['restore', '--image-path', 'i', '--bundle', bundle, '--detach', ID],
	];
	for (const args of forms) t.is((await there.run(args)).code, 1, args.join(' '));
	t.is(there.questions.length, forms.length);
	t.is(there.called(), undefined);
});

test('an option that nobody knows is refused where a labelled container is made, and only there', async (t) => {
	const there = host(t);
	for (const args of [['--future', 'x', 'create', '--bundle', there.bundle, ID], ['create', '--future', '--bundle', there.bundle, ID]]) {
		const { code, stderr } = await there.run(args);
		t.is(code, 1);
		t.regex(stderr, /not understood.*\[config-invalid\]/);
	}
	t.is((await there.run(['--future', 'x', 'delete', ID])).code, 0);

	const unlabelled = host(t, '{"Config":{"Labels":{}}}');
	const others: string[][] = [['create', '--future', 'x', '--bundle', '/run/containerd/plugins.moby/x', 'f'.repeat(64)], ['create', '--future', 'k1x3vv7jj5tq6fg4i2y1kx8wq']];
	for (const args of [['--future', 'x', 'create', '--bundle', unlabelled.bundle, ID], ['create', '--future', '--bundle', unlabelled.bundle, ID], ...others]) {
		t.is((await unlabelled.run(args)).code, 0);
		t.deepEqual(unlabelled.called()?.args, args);
	}
	for (const bundle of [['--bundle', '/run/moby/' + 'f'.repeat(64)], [`--bundle=/run/moby/${'f'.repeat(64)}`]]) {
		t.regex((await unlabelled.run(['create', '--future', ...bundle, 'f'.repeat(64)])).stderr, /engine setup.*\[config-invalid\]/, 'the state of a container of the engine is not there');
	}
});

test('a container of the engine whose state is not where the settings say is refused', async (t) => {
	const there = host(t);
	const conf = join(there.directory, 'birthmark-runtime.conf');
	writeFileSync(conf, readFileSync(conf, 'utf8').replace('/data\n', '/elsewhere\n'));
	const { code, stderr } = await there.run(create(there));
	t.is(code, 1);
	t.regex(stderr, /engine setup.*\[config-invalid\]/);
});

const BAD_SETTINGS: Record<string, string> = {
	'a line that is none': 'runtime=/bin/true\ndata-root=/d\nsocket=/s\nand=more\n',
	'a setting twice': 'runtime=/bin/true\nruntime=/bin/true\ndata-root=/d\nsocket=/s\n',
	'a relative path': 'runtime=runc\ndata-root=/d\nsocket=/s\n',
	'one that lacks': 'runtime=/bin/true\ndata-root=/d\n',
};

for (const [what, text] of Object.entries(BAD_SETTINGS)) {
	test(`settings are refused: ${what}`, async (t) => {
		const there = host(t);
		writeFileSync(join(there.directory, 'birthmark-runtime.conf'), text);
		const { code, stderr } = await there.run(['--version']);
		t.is(code, 1);
		t.regex(stderr, /birthmark-runtime\.conf.*\[config-invalid\]/);
	});
}

test('the end of a start is told, and nothing fails when nobody listens', async (t) => {
	const there = host(t);
	const startId = 'ab'.repeat(16);
	t.deepEqual(await there.run(['--ended', ID, startId]), { code: 0, stderr: '' });
	await there.answers({ verdict: 'unchanged' });
	t.deepEqual(await there.run(['--ended', ID, startId]), { code: 0, stderr: '' });
	t.deepEqual(there.questions, [{ verb: 'ended', containerId: ID, startId }]);
	t.is(there.called(), undefined);
});

test('it tells which version it is', async (t) => {
	const { directory } = host(t);
	const stdout = await new Promise<string>((resolve) => execFile(join(directory, 'birthmark-runtime'), ['--birthmark-version'], (_, out) => resolve(out)));
	t.is(stdout, `birthmark-runtime ${VERSION}\n`);
});
