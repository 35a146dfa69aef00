import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { AGENT_PATH, wrapCommand, type Command } from '../../../hook/command.ts';

const image: Command = { Entrypoint: ['/entry', '-x'], Cmd: ['serve'] };

const cases: ReadonlyArray<readonly [string, Command, Command, readonly string[], readonly string[]]> = [
	['the image decides when the options say nothing', {}, image, ['/entry', '-x'], ['serve']],
	['null in the options is the same as nothing', { Entrypoint: null, Cmd: null }, image, ['/entry', '-x'], ['serve']],
	['a command replaces the command of the image and keeps its entry point', { Cmd: ['check', '--all'] }, image, ['/entry', '-x'], ['check', '--all']],
	['an entry point drops the command of the image', { Entrypoint: ['/bin/sh'] }, image, ['/bin/sh'], []],
	['an entry point and a command leave nothing of the image', { Entrypoint: ['/bin/sh'], Cmd: ['-c', 'id'] }, image, ['/bin/sh'], ['-c', 'id']],
	['an entry point as one string is a list of one', { Entrypoint: '/bin/sh -c' }, image, ['/bin/sh -c'], []],
	['an empty list of entry points removes that of the image and keeps its command', { Entrypoint: [] }, image, [], ['serve']],
	['an empty string as entry point removes both of the image', { Entrypoint: [''], Cmd: ['id'] }, image, [], ['id']],
	['an image without an entry point runs its command', {}, { Cmd: ['/bin/app', '-v'] }, [], ['/bin/app', '-v']],
	['an empty command is no command', { Cmd: [] }, image, ['/entry', '-x'], ['serve']],
];

for (const [title, options, imageCommand, entrypoint, command] of cases) {
	test(title, (t) => {
		t.deepEqual(wrapCommand(options, imageCommand), { Entrypoint: [AGENT_PATH, 'exec', '--', ...entrypoint], Cmd: [...command] });
	});
}

test('a container with nothing to run is refused', (t) => {
	const error = t.throws(() => wrapCommand({ Entrypoint: [''] }, image), { instanceOf: BirthmarkError });
	t.is(error.code, 'usage');
});
