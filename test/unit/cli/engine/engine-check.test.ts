import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { checkFlags, validateDaemonJson } from '../../../../cli/engine/engine-check.ts';
import { temporaryFolder } from '../../../support/ca.ts';

test('what stands on the command line of the engine cannot be said in its file', (t) => {
	const daemonJson = '/etc/docker/daemon.json';
	t.notThrows(() => checkFlags({ args: ['-H', 'fd://', '--debug'], daemonJson }));
	for (const args of [['--add-runtime=x=/x'], ['--default-runtime', 'x'], ['--authorization-plugin=x']]) {
		t.throws(() => checkFlags({ args, daemonJson }), { code: 'setup-failed', message: /was started with --.*daemon\.json instead/ } as never);
	}
});

test('the engine\'s own program is asked, as it was started, but with the new file', async (t) => {
	const folder = temporaryFolder(t);
	const executable = join(folder, 'dockerd');
	writeFileSync(executable, `#!/bin/sh\nprintf '%s\\n' "$@" > ${folder}/asked\nfor last; do :; done\ngrep -q bad "$last" || exit 0\necho first >&2\necho "$WHY" >&2\nexit 1\n`);
	chmodSync(executable, 0o755);
	const engine = { executable, args: ['--config-file', '/etc/a.json', '--debug', '--config-file=/etc/b.json'], environment: { WHY: 'the following directives don\'t match any configuration option: bad', PATH: process.env['PATH']! } };
	t.is(await validateDaemonJson(engine, '28.5.2', '{}'), undefined);
	t.deepEqual(readFileSync(join(folder, 'asked'), 'utf8').split('\n').slice(0, 3), ['--debug', '--validate', '--config-file']);
	t.is(await validateDaemonJson(engine, '28.5.2', '{"bad": 1}'), engine.environment.WHY);
	t.is(await validateDaemonJson(engine, '20.10.24+dfsg1', '{"bad": 1}'), undefined, 'that one cannot tell');
});
