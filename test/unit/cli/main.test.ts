/** The command as a whole: help, usage, exit codes, and what its failures look like. */

import test from 'ava';
import { readdirSync } from 'node:fs';
import { Command } from 'commander';
import { VERSION } from '#common/protocol/version.ts';
import type { Context } from '../../../cli/context.ts';
import { inLanes } from '../../../scripts/lanes.ts';
import { startCa } from '../../support/ca.ts';
import { newCommand } from '../../support/command.ts';

const FOLDER = new URL('../../../cli/commands/', import.meta.url);

/** Every command there is, `node token` and the like included, from the sources. */
async function paths(): Promise<string[][]> {
	const program = new Command('birthmark').enablePositionalOptions();
	for (const file of readdirSync(FOLDER)) {
		const module = await import(new URL(file, FOLDER).href) as Record<string, (program: Command, context: Context) => void>;
		for (const add of Object.values(module)) add(program, {} as Context);
	}
	const visit = (command: Command, path: string[]): string[][] => command.commands.flatMap((inner) => [[...path, inner.name()], ...visit(inner, [...path, inner.name()])]);
	return visit(program, []);
}

test('every command explains itself with --help, and ends with 0', async (t) => {
	const birthmark = newCommand(t);
	const all = await paths();
	t.true(all.length >= 14);
	await inLanes(4, [[], ...all].map((path) => async () => {
		const { code, stdout, stderr } = await birthmark([...path, '--help']);
		t.is(code, 0, path.join(' '));
		t.true(stdout.startsWith(`Usage: birthmark${path.map((word) => ` ${word}`).join('')} `), stdout);
		t.is(stderr, '');
	}));
});

test('the help lists every command and every exit code', async (t) => {
	const { stdout } = await newCommand(t)(['help']);
	for (const [name] of await paths()) t.regex(stdout, new RegExp(`^  ${name}\\b`, 'm'));
	for (const digit of [0, 1, 2, 3, 4, 5, 6]) t.regex(stdout, new RegExp(`Exit codes:.* ${digit} `));
});

test('--version is the version of the release', async (t) => {
	const { code, stdout } = await newCommand(t)(['--version']);
	t.is(code, 0);
	t.is(stdout, `${VERSION}\n`);
});

for (const args of [
	[], ['node'], ['operator'], ['dance'], ['lss'], ['ls', '--colour'], ['ls', 'extra'], ['show'], ['show', 'a', 'b'], ['revoke'], ['revoke', 'a', '--cn', 'b'], ['revoke', '--cn', 'a', '--node', 'b'],
	['revoke', '--container', ''], ['revoke', 'a', '--reason', 'boredom'], ['node', 'token', '--ttl', 'soon'], ['node', 'allow', 'host1'], ['node', 'rm'], ['operator', 'token'], ['login'], ['login', '--ca', 'http://x'],
	['login', '--ca', 'x'], ['login', '--ca', 'https://'], ['login', '--ca', 'https://user:word@x'], ['completion'], ['completion', 'tcsh'], ['ca'],
]) {
	test(`"birthmark ${args.join(' ')}" is not understood: 2, and nothing on standard output`, async (t) => {
		const { code, stdout, stderr } = await newCommand(t)(args);
		t.is(code, 2);
		t.is(stdout, '');
		t.regex(stderr, /\[usage\]|--help|Usage:/);
	});
}

test('a misspelt command is guessed', async (t) => {
	t.regex((await newCommand(t)(['revok'])).stderr, /Did you mean revoke\?/);
});

test('without a login it says how to get one, and ends with 5', async (t) => {
	const { code, stdout, stderr } = await newCommand(t)(['ls']);
	t.is(code, 5);
	t.is(stdout, '');
	t.regex(stderr, /^birthmark: not logged in to a CA: run "birthmark login .* \[unauthenticated\]\n$/);
});

test('a CA that is away is 4', async (t) => {
	const birthmark = newCommand(t);
	t.is((await birthmark(['--ca-socket', '/nonexistent/socket', 'ls'])).code, 4);
	const { code, stderr } = await birthmark(['node', 'ls'], { env: { BIRTHMARK_CA_SOCKET: '/nonexistent/socket' } });
	t.is(code, 4);
	t.regex(stderr, /^birthmark: the CA at \/nonexistent\/socket could not be reached: .* \[ca-unavailable\]\n$/);
});

test('with --json, before or after the command, a failure is JSON on standard output', async (t) => {
	const birthmark = newCommand(t);
	for (const args of [['--json', 'ls'], ['ls', '--json'], ['node', 'ls', '--json'], ['--json', 'node', 'ls'], ['show', 'a', '--json'], ['revoke', '--cn', 'a', '--json']]) {
		const { code, stderr, json } = await birthmark(args);
		t.is(code, 5, args.join(' '));
		t.is(stderr, '');
		t.like(json(), { error: { code: 'unauthenticated' } });
	}
});

test('what follows a failure is as the CA said it, and 6 for what is not there', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	for (const [args, code, name] of [
		[['show', 'nobody'], 6, 'certificate-unknown'], [['show', '../nodes'], 6, 'certificate-unknown'], [['show', '..'], 6, 'certificate-unknown'],
		[['node', 'rm', 'nobody'], 6, 'node-unknown'], [['node', 'allow', 'nobody', 'a/b'], 6, 'node-unknown'],
		[['node', 'token', '--name', 'birthmark-ca'], 1, 'name-illegal'], [['node', 'token', '--allow', 'no-slash'], 1, 'request-malformed'],
		[['operator', 'token', '--name', '10.0.0.1'], 1, 'name-illegal'], [['revoke', 'no-serial'], 1, 'request-malformed'], [['node', 'token', '--ttl', '0'], 1, 'request-malformed'],
	] as const) {
		const ran = await birthmark(args);
		t.is(ran.code, code, `${args.join(' ')}: ${ran.stderr}`);
		t.true(ran.stderr.endsWith(` [${name}]\n`), ran.stderr);
	}
});

test('a reader that has seen enough is no failure', async (t) => {
	const { code, stderr } = await newCommand(t)(['completion', 'bash'], { onStart: (child) => child.stdout!.destroy() });
	t.is(code, 0);
	t.is(stderr, '');
});
