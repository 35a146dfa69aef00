import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseCommandLine } from '../../../agent/command-line.ts';

const defaults = { directory: '/run/birthmark', timeoutSeconds: 30, json: false, application: [] };

const accepted: ReadonlyArray<readonly [string, readonly string[], object]> = [
	['exec passes everything behind -- on as it is', ['exec', '--', 'app', '--dir', 'x', '--', 'y'], { ...defaults, command: 'exec', application: ['app', '--dir', 'x', '--', 'y'] }],
	['options come before --', ['exec', '--dir', '/x', '--timeout=5', '--', 'app'], { ...defaults, command: 'exec', directory: '/x', timeoutSeconds: 5, application: ['app'] }],
	['once works without the plugin', ['once', '--token-file', '/t', '--ca-url=https://ca:33004'], { ...defaults, command: 'once', tokenFile: '/t', caUrl: 'https://ca:33004' }],
	['status can speak JSON', ['status', '--json'], { ...defaults, command: 'status', json: true }],
	['keep makes the working directory its root', ['keep', '--as', '1000:0', '--timeout=20'], { ...defaults, command: 'keep', directory: '/', timeoutSeconds: 20, user: { uid: 1000, gid: 0 } }],
	['no command at all is a call for help', [], { ...defaults, command: 'help' }],
	['--help is help', ['--help'], { ...defaults, command: 'help' }],
	['--version is version', ['--version'], { ...defaults, command: 'version' }],
];
for (const [title, args, expected] of accepted) {
	test(title, (t) => {
		t.deepEqual(parseCommandLine(args, {}) as object, expected);
	});
}

const refused: ReadonlyArray<readonly [string, readonly string[]]> = [
	['an unknown command', ['enrol']],
	['an unknown option', ['once', '--force']],
	['--json where it means nothing', ['once', '--json']],
	['exec without an application', ['exec', '--']],
	['exec with an application without a name', ['exec', '--', '', 'x']],
	['exec without --', ['exec', 'app']],
	['an application for another command', ['once', '--', 'app']],
	['keep for nobody', ['keep']],
	['keep for a user by name', ['keep', '--as', 'nobody:nogroup']],
	['keep in a directory of its own', ['keep', '--as', '0:0', '--dir', '/x']],
	['--as where it means nothing', ['once', '--as', '0:0']],
	['an option without its value', ['once', '--dir']],
	['an option with an empty value', ['once', '--dir=']],
	['an option given twice', ['once', '--dir', '/a', '--dir', '/b']],
	['a timeout that is no number', ['once', '--timeout', 'soon']],
	['a timeout of nothing', ['once', '--timeout', '0']],
	['a timeout of more than an hour', ['once', '--timeout', '3601']],
];
for (const [what, args] of refused) {
	test(`${what} is a usage error`, (t) => {
		t.is(t.throws(() => parseCommandLine(args, {}), { instanceOf: BirthmarkError }).code, 'usage');
	});
}

test('BIRTHMARK_DIR moves the directory, --dir wins over it', (t) => {
	t.is(parseCommandLine(['once'], { BIRTHMARK_DIR: '/env' }).directory, '/env');
	t.is(parseCommandLine(['once', '--dir', '/option'], { BIRTHMARK_DIR: '/env' }).directory, '/option');
});
