import { chmodSync, lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readDaemonJson, reloadEngine, writeChain } from '../../../../cli/upgrade/daemon-json.ts';
import { temporaryFolder } from '../../../support/ca.ts';

function file(t: ExecutionContext, text: string): string {
	const path = join(temporaryFolder(t), 'daemon.json');
	writeFileSync(path, text);
	return path;
}

test('the chain is replaced, and nothing else: other keys, indentation, mode, link', async (t) => {
	const real = file(t, '{\n\t"data-root": "/d",\n\t"authorization-plugins": ["a"],\n\t"log-opts": {"max-size": "1m"}\n}\n');
	chmodSync(real, 0o640);
	const path = join(temporaryFolder(t), 'link.json');
	symlinkSync(real, path);
	await writeChain(path, ['b', 'a']);
	t.deepEqual(readDaemonJson(path).chain, ['b', 'a']);
	t.deepEqual(JSON.parse(readFileSync(real, 'utf8')), { 'data-root': '/d', 'authorization-plugins': ['b', 'a'], 'log-opts': { 'max-size': '1m' } });
	t.regex(readFileSync(real, 'utf8'), /^\t"data-root"/m);
	t.is(statSync(real).mode & 0o777, 0o640);
	t.true(lstatSync(path).isSymbolicLink());
});

test('a chain that is right already is left as it is written', async (t) => {
	const text = '{ "authorization-plugins": [ "a" ] }';
	const path = file(t, text);
	await writeChain(path, ['a']);
	t.is(readFileSync(path, 'utf8'), text);
});

for (const [what, text] of [['no JSON', '{'], ['no object', '[]'], ['no chain', '{}'], ['an empty chain', '{"authorization-plugins":[]}'], ['another chain', '{"authorization-plugins":"a"}']] as const) {
	test(`a file with ${what} is a fault that names the option`, (t) => {
		t.throws(() => readDaemonJson(file(t, text)), { code: 'config-invalid', message: /--daemon-json/ } as never);
	});
}

test('nothing but an engine is signalled', (t) => {
	const path = file(t, '{"authorization-plugins":["a"]}');
	const pidFile = join(temporaryFolder(t), 'docker.pid');
	for (const pid of ['', 'x', String(process.pid), '1', '0', '-1', '99999999']) {
		writeFileSync(pidFile, pid);
		t.throws(() => reloadEngine(path, pidFile), { code: 'engine-unavailable', message: /--pid-file/ } as never);
	}
	t.throws(() => reloadEngine(path, `${pidFile}.none`), { code: 'engine-unavailable' } as never);
});
