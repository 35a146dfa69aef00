import test from 'ava';
import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { readSettings } from '../../../agent/agent-file.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

test('what labels ask of the agent is in agent.json', (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'agent.json'), '{"version":1,"ca":{"way":"relay"},"settings":{"reload":"signal:HUP","reloadOn":"certificate","port":"8443"}}');
	t.deepEqual(readSettings(directory), { reload: 'signal:HUP', reloadOn: 'certificate', port: '8443' });
});

test('an older plugin asks for nothing, and neither does none', (t) => {
	const directory = tmpfsDirectory(t);
	t.deepEqual(readSettings(directory), {});
	writeFileSync(join(directory, 'agent.json'), '{"version":1,"ca":{"way":"relay"}}');
	t.deepEqual(readSettings(directory), {});
});

for (const [what, settings] of [
	['an unknown setting', '{"pigeon":"1"}'],
	['a name of every object', '{"constructor":"1"}'],
	['a number for a text', '{"port":8443}'],
	['a list', '[]'],
	['null', 'null'],
] as const) {
	test(`settings with ${what} are refused`, (t) => {
		const directory = tmpfsDirectory(t);
		writeFileSync(join(directory, 'agent.json'), `{"version":1,"ca":{"way":"relay"},"settings":${settings}}`);
		const error = t.throws(() => readSettings(directory), { instanceOf: BirthmarkError });
		t.is(error.code, 'config-invalid');
		t.regex(error.message, /do not fit together/);
	});
}

test('a pipe in its place holds nobody up, and a file without end is not read', (t) => {
	const [pipe, large] = [tmpfsDirectory(t), tmpfsDirectory(t)];
	execFileSync('mkfifo', [join(pipe, 'agent.json')]);
	writeFileSync(join(large, 'agent.json'), '{"version":1}');
	truncateSync(join(large, 'agent.json'), 2 ** 40);
	for (const directory of [pipe, large]) t.is(t.throws(() => readSettings(directory), { instanceOf: BirthmarkError }).code, 'directory-unusable');
});
