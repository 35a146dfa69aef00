/** The plugin's side of the socket, as birthmark-runtime finds it. */

import { once } from 'node:events';
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { createHookServer } from '../../../../plugin/hook/server.ts';
import type { IdentityRecord } from '../../../../plugin/records.ts';
import type { KnownContainer } from '../../../../plugin/volume/who-starts.ts';
import { identityRecord } from '../../../fakes/identity-record.ts';

const ID = 'c'.repeat(64);
const START = 'ab'.repeat(16);
const AGENT = '/run/birthmark/bin/birthmark-agent';
const CONFIG = '{"process":{"args":["sh"]}}';
const stateOf = (labels: object, id = ID): string => JSON.stringify({ ID: id, Config: { Labels: labels } });
const LABELLED = stateOf({ 'birthmark.cn': 'api01' });
const BY_RUNTIME = identityRecord({ volume: ID, containerId: ID, delivery: 'runtime', agentMode: 'exec' });

interface Fake {
	identity?: IdentityRecord;
	place?: () => Promise<string>;
	failure?: Error;
	/** resolves when a start may go on */
	gate?: Promise<void>;
}

async function serve(t: ExecutionContext, fake: Fake = {}) {
	const folder = tmp.dirSync({ unsafeCleanup: true });
	const done: string[] = [];
	const started: KnownContainer[] = [];
	const path = join(folder.name, 'birthmark/hook.sock');
	const server = createHookServer({
		records: { identityOfContainer: () => fake.identity },
		volumes: {
			startByRuntime: async (container) => {
				started.push(container);
				done.push(`start ${container.Id.slice(0, 2)}`);
				await fake.gate;
				if (fake.failure) throw fake.failure;
				return { ...BY_RUNTIME, ...fake.identity, startId: START };
			},
			endStart: async (containerId, startId) => void done.push(`end ${containerId.slice(0, 2)} ${startId.slice(0, 2)}`),
			endByRuntime: async (containerId, startId) => void done.push(`ended ${containerId.slice(0, 2)} ${startId.slice(0, 2)}`),
		},
		placeForContainers: fake.place ?? (async (volume) => `/host/${volume.slice(0, 2)}`),
		logger: silentLogger,
	});
	await server.listen(path);
	t.teardown(async () => {
		await server.close();
		folder.removeCallback();
	});
	const dial = (text: string): Socket => {
		const socket = connect(path);
		socket.write(text);
		return socket;
	};
	const ask = async (text: string): Promise<string> => {
		const chunks: Buffer[] = [];
		for await (const chunk of dial(text)) chunks.push(chunk as Buffer);
		return Buffer.concat(chunks).toString();
	};
	return { path, done, started, dial, ask };
}

const birth = (state = LABELLED, config = CONFIG, verb = 'create'): string => `birthmark-runtime 1 ${verb} ${ID} 3 ${Buffer.byteLength(state)} ${Buffer.byteLength(config)}\n/bm${state}${config}`;

/** @returns the verdict, and the configuration or the sentence */
function parse(answer: string): [string, string] {
	const [, verdict = '', length, rest = ''] = /^([a-z]+) (\d+)\n(.*)$/s.exec(answer) ?? [];
	return [verdict, Buffer.byteLength(rest) === Number(length) ? rest : 'of another length'];
}

test('only root finds the socket', async (t) => {
	const { path } = await serve(t);
	t.is(statSync(path).mode & 0o777, 0o600);
	t.is(statSync(join(path, '..')).mode & 0o777, 0o700);
});

test('a container without labels of ours is created as it is, without a record and without a start', async (t) => {
	const { ask, done } = await serve(t);
	for (const labels of [{}, { other: 'birthmark.cn' }, { 'Birthmark.cn': 'x' }]) t.deepEqual(parse(await ask(birth(stateOf(labels)))), ['unchanged', '']);
	t.deepEqual(parse(await ask(birth(JSON.stringify({ ID, Config: { Labels: null, Env: ['X="birthmark.cn"'] } })))), ['unchanged', '']);
	t.deepEqual(done, []);
});

test('a labelled one gets its identity, the agent and the hook that tells its end', async (t) => {
	const { ask, done } = await serve(t, { identity: BY_RUNTIME });
	const [verdict, config] = parse(await ask(birth()));
	t.is(verdict, 'config');
	t.deepEqual(JSON.parse(config), {
		process: { args: [AGENT, 'exec', '--', 'sh'] },
		mounts: [{ destination: '/run/birthmark', type: 'bind', source: '/host/cc', options: ['rbind', 'rprivate'] }],
		hooks: { poststop: [{ path: '/bm', args: ['birthmark-runtime', '--ended', ID, START], timeout: 5 }] },
	});
	t.deepEqual(done, ['start cc']);
});

test('what the engine has written of it is what starts', async (t) => {
	const { ask, started } = await serve(t, { identity: BY_RUNTIME });
	await ask(birth(JSON.stringify({ ID, Name: '/api01', Image: 'sha256:1', State: { Running: true, Restarting: true }, Config: { Labels: { 'birthmark.cn': 'api01' } } })));
	t.like(started, [{ Id: ID, Names: ['/api01'], ImageID: 'sha256:1', State: 'created' }]);
});

test('without the agent in front where the label says so', async (t) => {
	for (const agentMode of ['none', 'node'] as const) {
		const { ask } = await serve(t, { identity: { ...BY_RUNTIME, agentMode } });
		t.deepEqual((JSON.parse(parse(await ask(birth()))[1]) as { process: object }).process, { args: ['sh'] });
	}
});

test('one that mounts its volume has been given it; the agent is put in front where the label says so', async (t) => {
	const plain = await serve(t, { identity: { ...BY_RUNTIME, delivery: 'volume', agentMode: 'none' } });
	t.deepEqual(parse(await plain.ask(birth())), ['unchanged', '']);
	const { ask, done } = await serve(t, { identity: { ...BY_RUNTIME, delivery: 'volume', agentMode: 'exec' } });
	t.deepEqual(JSON.parse(parse(await ask(birth()))[1]), { process: { args: [AGENT, 'exec', '--', 'sh'] } });
	t.deepEqual(done, []);
});

test('what goes wrong is a refusal with its sentence, and no start is left', async (t) => {
	const refused = async (fake: Fake, question: string, code: string): Promise<string[]> => {
		const { ask, done } = await serve(t, fake);
		const [verdict, sentence] = parse(await ask(question));
		t.is(verdict, 'refused');
		t.regex(sentence, new RegExp(`^birthmark: .*\\[${code}\\]$`));
		return done;
	};
	await refused({ failure: new BirthmarkError('ca-unavailable') }, birth(), 'ca-unavailable');
	await refused({ failure: new Error('secret detail') }, birth(), 'internal');
	await refused({ identity: BY_RUNTIME }, birth(LABELLED, CONFIG, 'restore'), 'identity-isolated');
	t.deepEqual(await refused({ identity: BY_RUNTIME, place: () => Promise.reject(new BirthmarkError('mount-failed')) }, birth(), 'mount-failed'), ['start cc', 'end cc ab']);
	t.deepEqual(await refused({ identity: BY_RUNTIME }, birth(LABELLED, '{"process":{}}'), 'request-malformed'), ['start cc', 'end cc ab']);
	await refused({}, birth(stateOf({ 'birthmark.cn': 'x' }, 'd'.repeat(64))), 'request-malformed');
	await refused({}, birth('"birthmark.'), 'request-malformed');
	await refused({}, 'GET / HTTP/1.1\r\n\r\n', 'request-malformed');
	const { ask } = await serve(t, { identity: BY_RUNTIME });
	const [head = ''] = birth(LABELLED, '12345678').split('12345678');
	const socket = await ask(head + '\u0000'.repeat(8));
	t.is(parse(socket)[0], 'refused');
});

test('the start of a runtime that was ended meanwhile is ended too', async (t) => {
	let go = (): void => {};
	const gate = new Promise<void>((resolve) => (go = resolve));
	const { dial, ask, done } = await serve(t, { identity: BY_RUNTIME, gate });
	const socket = dial(birth());
	while (done.length === 0) await new Promise((resolve) => setImmediate(resolve));
	socket.destroy();
	await once(socket, 'close');
	// What the server hears after that, it hears after that.
	await ask('another question\n');
	go();
	while (done.length < 2) await new Promise((resolve) => setImmediate(resolve));
	t.deepEqual(done, ['start cc', 'end cc ab']);
});

test('an end is recorded before it is answered', async (t) => {
	const { ask, done } = await serve(t);
	t.is(await ask(`birthmark-runtime 1 ended ${ID} ${START}\n`), 'unchanged 0\n');
	t.deepEqual(done, ['ended cc ab']);
});
