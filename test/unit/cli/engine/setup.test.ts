/** Setting an engine up and undoing it, on real files, with an engine that reads daemon.json as dockerd does (moby, daemon/reload_unix.go). */

import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createDaemonFile } from '../../../../cli/engine/daemon-file.ts';
import type { WantedRuntime } from '../../../../cli/engine/daemon-text.ts';
import { createRuntimeFiles, readRuntimeSettings, type RuntimeSettings } from '../../../../cli/engine/runtime-files.ts';
import { createNotesFile } from '../../../../cli/engine/setup-notes.ts';
import { planSetup, runSetup, runUndo, type EngineRuntimes, type SetupDeps } from '../../../../cli/engine/setup.ts';
import { temporaryFolder } from '../../../support/ca.ts';

const SETTINGS: RuntimeSettings = { runtime: '/usr/bin/runc', dataRoot: '/var/lib/docker', socket: '/run/birthmark/hook.sock' };
const OTHERS = '{\n\t"debug": true,\n\t"runtimes": {\n\t\t"crun": {"path": "/usr/bin/crun"}\n\t},\n\t"default-runtime": "crun",\n\t"log-opts": { "max-size": "10m" }\n}\n';

interface Given {
	/** daemon.json; none when absent */
	readonly text?: string;
	/** the engine reads its file and takes nothing from it */
	readonly isStubborn?: boolean;
	readonly containers?: readonly string[];
	readonly problem?: string;
}

class Killed extends Error {}

function host(t: ExecutionContext, { text, isStubborn = false, containers = [], problem }: Given = {}) {
	const folder = temporaryFolder(t);
	const path = join(folder, 'daemon.json');
	const directory = join(folder, 'lib');
	writeFileSync(join(folder, 'built'), 'the program');
	if (text !== undefined) writeFileSync(path, text, { mode: 0o640 });
	const files = createRuntimeFiles(directory, join(folder, 'built'));
	const said: string[] = [];
	const steps: string[] = [];
	let engine: EngineRuntimes = { dataRoot: SETTINGS.dataRoot, defaultRuntime: 'runc', runtimes: {} };
	let chain: readonly string[] = [];
	let left = Infinity;
	/** A kill comes before an effect, or after it when it is the next one's turn. */
	const effect = <A extends unknown[], R>(work: (...args: A) => R) => (...args: A): R => {
		if (left-- <= 0) throw new Killed();
		return work(...args);
	};
	const read = (): void => {
		const document = (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}) as { runtimes?: EngineRuntimes['runtimes']; 'default-runtime'?: string; 'authorization-plugins'?: string[] };
		const runtimes = document.runtimes ?? engine.runtimes;
		const defaultRuntime = document['default-runtime'] ?? engine.defaultRuntime;
		if (defaultRuntime !== 'runc' && !(defaultRuntime in runtimes)) return void said.push('refused');
		engine = { ...engine, runtimes, defaultRuntime };
		chain = document['authorization-plugins'] ?? [];
	};
	if (text === undefined || !text.includes('{,}')) read();
	let now = Date.parse('2026-11-22T09:00:00Z');
	const daemonFile = createDaemonFile(path, () => new Date(now++));
	const notes = createNotesFile(join(directory, 'engine-setup.json'));
	const deps: SetupDeps = {
		look: async () => engine,
		isEnforced: async () => chain.some((name) => /^birthmark(:latest)?$/.test(name)),
		containersWith: async (name) => (name === 'birthmark' ? containers : []),
		daemonFile: { ...daemonFile, write: effect(daemonFile.write), remove: effect(daemonFile.remove), backUp: effect(daemonFile.backUp) },
		files: { ...files, install: effect(files.install), remove: effect(files.remove) },
		notes: { ...notes, write: effect(notes.write), remove: effect(notes.remove) },
		validate: async () => problem,
		checkChain: async () => {},
		reload: effect(() => void (isStubborn || read())),
		eventually: async (ask) => ask(),
		onStep: (title) => void steps.push(title),
	};
	const wanted: WantedRuntime = { name: 'birthmark', program: files.program, isDefault: true };
	return {
		deps, files, path, folder, directory, wanted, steps, said,
		text: () => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
		engine: () => engine,
		setUp: async (more: Partial<WantedRuntime> = {}) => runSetup(deps, { ...wanted, ...more }, SETTINGS, await planSetup(deps, { ...wanted, ...more }, SETTINGS)),
		undo: (force = false) => runUndo(deps, 'birthmark', force),
		killAfter: (effects: number) => void (left = effects),
		/** would the engine start by what lies there now, and could it make containers? */
		startsAnew: () => {
			const { runtimes = {}, 'default-runtime': name = 'runc' } = (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}) as { runtimes?: Record<string, { path: string }>; 'default-runtime'?: string };
			return (name === 'runc' || name in runtimes) && (runtimes['birthmark'] === undefined || (existsSync(files.program) && readRuntimeSettings(files.program) !== undefined));
		},
	};
}

for (const [what, text] of [['no file', undefined], ['an empty object', '{}\n'], ['settings of others', OTHERS], ['empty settings', '{\n  "authorization-plugins": [],\n  "runtimes": {}\n}\n']] as const) {
	test(`from ${what}: the engine has the runtime, the second time nothing is done, and undone everything is to the character what it was`, async (t) => {
		const it = host(t, text === undefined ? {} : { text });
		const before = it.engine();
		t.is(await it.setUp({ plugin: 'birthmark' }), 'done');
		t.like(it.engine(), { defaultRuntime: 'birthmark', runtimes: { birthmark: { path: it.files.program } } });
		t.deepEqual(readRuntimeSettings(it.files.program), SETTINGS);
		it.steps.length = 0;
		t.is(await it.setUp({ plugin: 'birthmark' }), 'unchanged');
		t.deepEqual(it.steps, []);
		t.is(await it.undo(), 'done');
		t.regex(it.steps[0]!, /the plugin birthmark of the authorization chain/);
		t.is(it.text(), text);
		t.deepEqual(it.engine(), before);
		t.deepEqual(readdirSync(it.folder).sort(), text === undefined ? ['built'] : ['built', 'daemon.json']);
		t.is(await it.undo(), 'unchanged');
	});
}

test('beside another default runtime, it is there by its name only', async (t) => {
	const it = host(t, { text: OTHERS });
	await it.setUp({ isDefault: false });
	t.is(it.engine().defaultRuntime, 'crun');
	await it.setUp({ isDefault: true });
	t.is(it.engine().defaultRuntime, 'birthmark');
	await it.undo();
	t.is(it.text(), OTHERS);
	t.is(it.engine().defaultRuntime, 'crun');
});

test('what others changed in between stays', async (t) => {
	const it = host(t, { text: OTHERS });
	await it.setUp();
	writeFileSync(it.path, it.text()!.replace('"debug": true', '"debug": false'));
	await it.undo();
	t.is(it.text(), OTHERS.replace('"debug": true', '"debug": false'));
	t.is(readdirSync(it.folder).filter((name) => name.endsWith('.bak')).length, 1, 'the copy holds what is nowhere else');
});

test('the plugin is put into the chain beside others, and only it is taken out', async (t) => {
	const text = '{"authorization-plugins": ["other"]}';
	const it = host(t, { text });
	await it.setUp({ plugin: 'birthmark' });
	t.deepEqual((JSON.parse(it.text()!) as Record<string, unknown>)['authorization-plugins'], ['other', 'birthmark']);
	await it.undo();
	t.deepEqual(JSON.parse(it.text()!), { 'authorization-plugins': ['other'] });
	for (const before of ['{"authorization-plugins":["birthmark"]}', '{"authorization-plugins":["birthmark:latest"]}']) {
		const there = host(t, { text: before });
		await there.setUp({ plugin: 'birthmark', isDefault: false });
		t.false(/"birthmark(:latest)?", ?"birthmark/.test(there.text()!));
		await there.undo();
		t.is(there.text(), before, 'it was there before');
	}
});

test('a link to daemon.json stays one, and its mode is kept', async (t) => {
	const it = host(t);
	mkdirSync(join(it.folder, 'real'));
	writeFileSync(join(it.folder, 'real/settings'), '{}', { mode: 0o640 });
	symlinkSync('real/settings', it.path);
	await it.setUp();
	t.true(lstatSync(it.path).isSymbolicLink());
	t.is(lstatSync(join(it.folder, 'real/settings')).mode & 0o777, 0o640);
	await it.undo();
	t.true(lstatSync(it.path).isSymbolicLink());
});

for (const [what, text] of [['no file', undefined], ['settings of others', OTHERS]] as const) {
	test(`an engine that does not take it has ${what} again, and nothing is left`, async (t) => {
		const it = host(t, { ...(text !== undefined && { text }), isStubborn: true });
		const error = await t.throwsAsync(it.setUp(), { code: 'setup-failed', message: /did not take the runtime up.*log says why/ } as never);
		t.truthy(error);
		t.is(it.text(), text);
		t.false(existsSync(it.directory));
		t.true(it.startsAnew());
	});
}

test('an engine that takes the runtime and does not ask the plugin has the file of before again, and the sentence tells the two apart', async (t) => {
	const it = host(t, { text: OTHERS });
	await t.throwsAsync(it.setUp({ plugin: 'nobody' }), { code: 'setup-failed', message: /took the runtime up, but the plugin nobody did not prove in time that the engine asks it/ } as never);
	t.is(it.text(), OTHERS);
	t.false(existsSync(it.directory));
});

for (const [what, given, wanted, code, message] of [
	['is no JSON', { text: '{,}' }, {}, 'config-invalid', /is no JSON.*mend it/],
	['names a plugin chain that is none', { text: '{"authorization-plugins": "birthmark"}' }, {}, 'config-invalid', /no list of names/],
	['has runtimes that are none', { text: '{"runtimes": []}' }, {}, 'config-invalid', /"runtimes" is no object/],
	['has another runtime of that name', { text: '{"runtimes": {"birthmark": {"path": "/x"}}}' }, {}, 'setup-failed', /another runtime under the name "birthmark"/],
	['would not be taken by the engine', { text: '{}', problem: 'unknown directive' }, {}, 'setup-failed', /would not take.*unknown directive; nothing was changed/],
] as const) {
	test(`a daemon.json that ${what} is left alone`, async (t) => {
		const it = host(t, given);
		const before = it.text();
		await t.throwsAsync(it.setUp(wanted), { code, message } as never);
		t.is(it.text(), before);
		t.false(existsSync(it.directory));
	});
}

test('a daemon.json that cannot be read or written is named', async (t) => {
	const dangling = host(t);
	symlinkSync('/nonexistent/daemon.json', dangling.path);
	await t.throwsAsync(dangling.setUp(), { code: 'config-invalid', message: /cannot be read/ } as never);
	const directory = host(t);
	mkdirSync(directory.path);
	await t.throwsAsync(directory.setUp(), { code: 'config-invalid', message: /cannot be read/ } as never);
	const it = host(t, { text: '{}' });
	mkdirSync(`${it.path}.2026-11-22T09-00-00.000Z.bak`);
	await t.throwsAsync(it.setUp(), { code: 'setup-failed', message: /daemon\.json cannot be changed: EEXIST/ } as never);
	t.is(it.text(), '{}');
});

test('of a runtime in another directory nothing is undone, and the sentence says how to', async (t) => {
	const it = host(t, { text: OTHERS });
	await it.setUp({ plugin: 'birthmark' });
	const [text, engine] = [it.text(), it.engine()];
	const elsewhere = join(it.folder, 'elsewhere');
	const deps = { ...it.deps, files: createRuntimeFiles(elsewhere, join(it.folder, 'built')), notes: createNotesFile(join(elsewhere, 'engine-setup.json')) };
	await t.throwsAsync(runUndo(deps, 'birthmark', true), { code: 'setup-failed', message: /is not .*elsewhere.*--directory.*nothing was changed/ } as never);
	t.is(it.text(), text);
	t.deepEqual(it.engine(), engine);
	t.is(await it.undo(), 'done');
	t.is(it.text(), OTHERS);
});

test('nothing is undone while containers were created with it, unless by force', async (t) => {
	const it = host(t, { containers: ['api01', 'web01'] });
	await it.setUp();
	const before = it.text();
	await t.throwsAsync(it.undo(), { code: 'setup-failed', message: /^api01, web01 could not be started any more.*--force/ } as never);
	t.is(it.text(), before);
	t.is(await it.undo(true), 'done');
	t.is(it.text(), undefined);
});

for (const [what, text] of [['no file', undefined], ['settings of others', OTHERS]] as const) {
	test(`from ${what}, killed at any moment: the engine would start, the next run completes, and undo leads back`, async (t) => {
		let wasKilled = true;
		for (let effects = 0; wasKilled; effects++) {
			const it = host(t, text === undefined ? {} : { text });
			it.killAfter(effects);
			wasKilled = await it.setUp().then(() => false, (error: unknown) => error instanceof Killed || Promise.reject(error));
			t.true(it.startsAnew(), `setup, ${effects} effects`);
			it.killAfter(Infinity);
			if (effects % 2 === 1) {
				await it.undo();
				t.is(it.text(), text);
			}
			await it.setUp();
			t.is(it.engine().defaultRuntime, 'birthmark');
			await it.undo();
			t.is(it.text(), text, `${effects} effects`);
			t.false(existsSync(it.directory), `${effects} effects`);
		}
	});

	test(`to ${what}, an undo that is killed at any moment: the engine would start, and the next run completes`, async (t) => {
		let wasKilled = true;
		for (let effects = 0; wasKilled; effects++) {
			const it = host(t, text === undefined ? {} : { text });
			await it.setUp();
			it.killAfter(effects);
			wasKilled = await it.undo().then(() => false, (error: unknown) => error instanceof Killed || Promise.reject(error));
			t.true(it.startsAnew(), `undo, ${effects} effects`);
			it.killAfter(Infinity);
			if (effects % 2 === 1) await it.setUp();
			await it.undo();
			t.is(it.text(), text, `${effects} effects`);
			t.not(it.engine().defaultRuntime, 'birthmark');
			t.false(existsSync(it.directory), `${effects} effects`);
		}
	});
}

test('notes that are damaged are told in a sentence, and nothing is changed by them', async (t) => {
	const path = join(temporaryFolder(t), 'engine-setup.json');
	const notes = createNotesFile(path);
	for (const text of ['', '{', 'null', '7', '[]', '{"version":1}', '{"version":1,"name":"birthmark","program":"/x","keys":"runtimes","backups":[]}']) {
		writeFileSync(path, text);
		t.throws(() => notes.read(), { code: 'config-invalid', message: /engine-setup\.json, by which setup is undone, cannot be read: .*; put it back from a backup, or take out of daemon\.json/ }, text);
	}
	writeFileSync(path, '{"version":2}');
	t.throws(() => notes.read(), { code: 'config-invalid', message: /another version/ });
	await notes.write({ version: 1, name: 'birthmark', program: '/x', keys: [], madeFile: false, backups: [] });
	t.is(notes.read()?.name, 'birthmark');
});
