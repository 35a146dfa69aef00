/** Completion scripts: a shell understands them, and they complete. */

import test from 'ava';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';

function bash(args: readonly string[]): Promise<{ failed: boolean; stdout: string; stderr: string }> {
	return new Promise((resolve) => execFile('bash', [...args], (error, stdout, stderr) => resolve({ failed: error !== null, stdout, stderr })));
}

for (const shell of ['bash', 'zsh']) {
	test(`the script for ${shell} is sound`, async (t) => {
		const { code, stdout } = await newCommand(t)(['completion', shell]);
		t.is(code, 0);
		const file = join(temporaryFolder(t), 'script');
		writeFileSync(file, stdout);
		t.deepEqual(await bash(['-n', file]), { failed: false, stdout: '', stderr: '' });
		t.is(stdout.startsWith('autoload -U +X bashcompinit && bashcompinit\n'), shell === 'zsh');
	});
}

test('bash completes commands, their commands, and options', async (t) => {
	const file = join(temporaryFolder(t), 'script');
	writeFileSync(file, (await newCommand(t)(['completion', 'bash'])).stdout);
	const complete = async (...words: string[]): Promise<string[]> => {
		const script = `source "$1"; shift; COMP_WORDS=(birthmark "$@"); COMP_CWORD=$#; _birthmark; printf '%s\\n' "\${COMPREPLY[@]}"`;
		return (await bash(['-c', script, 'bash', file, ...words])).stdout.split('\n').filter(Boolean);
	};
	t.deepEqual(await complete('re'), ['revoke']);
	t.true((await complete('')).includes('completion'));
	t.deepEqual(await complete('node', ''), ['token', 'ls', 'allow', 'disallow', 'rm', '--help']);
	t.deepEqual(await complete('--json', 'node', 't'), ['token']);
	t.deepEqual(await complete('node', 'token', '--a'), ['--allow']);
	t.deepEqual(await complete('login', '--t'), ['--token-file']);
	t.deepEqual(await complete('ls', '--json', '--al'), ['--all']);
	// What is no command is an argument of the last one, or the value of an option.
	t.deepEqual(await complete('rotate', 'api01', '--rev'), ['--revoke-old']);
	t.deepEqual(await complete('revoke', '--cn', 'api01', '--dry'), ['--dry-run']);
	t.deepEqual(await complete('engine', 'setup', '--name', 'x', '--def'), ['--default']);
	t.deepEqual(await complete('--ca-socket', '/run/admin.sock', 'node', 't'), ['token']);
	t.deepEqual(await complete('nodes', ''), []);
	t.deepEqual(await complete('$(touch x)', ''), []);
});

test('fish gets a line for every command', async (t) => {
	const { stdout } = await newCommand(t)(['completion', 'fish']);
	const lines = stdout.trimEnd().split('\n');
	t.true(lines.every((line) => /^complete -c birthmark -f -n '[^']+' -a '[^']+'$/.test(line)));
	t.regex(lines[0]!, /__fish_use_subcommand' -a 'ls show revoke rotate node policy operator plugin engine user login doctor audit ca completion /);
	const condition = (words: string): string | undefined => lines.find((line) => line.includes(` -a '${words}`))?.split("'")[1];
	const seen = (word: string): string => `__fish_seen_subcommand_from ${word}`;
	t.is(new Set(lines.map((line) => line.split("'")[1])).size, lines.length, 'no two commands are told by the same words');
	t.is(lines.filter((line) => line.includes(`-n '${seen('rotate')}; and not ${seen('ca')}' `)).length, 1);
	t.is(lines.filter((line) => line.includes(`-n '${seen('ca')}; and ${seen('rotate')}' `)).length, 1);
	t.is(condition('token ls allow disallow rm --help'), `${seen('node')}; and not ${seen('token ls allow disallow rm')}`);
});
