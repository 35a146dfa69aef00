/** What the documentation lists is what the code knows: no more, no less, and its links lead somewhere. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import test from 'ava';
import { HELP } from '../../agent/command-line.ts';
import { exitCodeFor as agentExitCode } from '../../agent/exit-codes.ts';
import { readCaConfig } from '../../ca/config.ts';
import { problemOf } from '../../ca/http/problem.ts';
import { createRoutes, type RoutesDeps } from '../../ca/http/routes.ts';
import type { Context } from '../../cli/context.ts';
import { exitCodeFor as commandExitCode } from '../../cli/exit-codes.ts';
import { parseIdentityLabels } from '../../plugin/authz/labels.ts';
import { BirthmarkError, ERROR_CODES, isErrorCode, type ErrorCode } from '#common/protocol/errors.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { silentLogger } from '#common/runtime/log.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
/** Cells of every table row whose first cell begins with a word in code style, by that word. */
const rows = (text: string): Map<string, string[]> => new Map(text.split('\n').flatMap((line) => {
	const name = /^\| `([^`]+)`/.exec(line)?.[1];
	return name === undefined ? [] : [[name, line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim())] as const];
}));

test('docs/errors.md has every error code in the order of the source, and no other', (t) => {
	const documented = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]!);
	t.deepEqual(documented, Object.keys(ERROR_CODES));
});

test('docs/errors.md has the statuses and exit codes that the programs give', (t) => {
	for (const [code, cells] of rows(read('docs/errors.md'))) {
		if (!isErrorCode(code)) continue;
		const [, , status, agent, command] = cells;
		const expect = (column: string, said: string | undefined, real: (code: ErrorCode) => number) => {
			if (said !== '–') t.is(said, String(real(code)), `${column} of ${code}`);
		};
		expect('HTTP', status, (known) => problemOf(new BirthmarkError(known)).status);
		expect('agent', agent, agentExitCode);
		expect('command', command, commandExitCode);
	}
});

test('docs/api.md has every route with those who may call it, and no other', (t) => {
	const text = read('docs/api.md');
	const routes = createRoutes({ logger: silentLogger } as unknown as RoutesDeps);
	const titles = routes.map(({ method, path }) => `${method} ${path}`);
	t.deepEqual([...text.matchAll(/^### `(.+)`$/gm)].map((match) => match[1]!).sort(), [...titles].sort());
	const table = rows(text);
	for (const { method, path, roles } of routes) {
		const may = table.get(`${method} ${path}`)?.[1] ?? '';
		t.deepEqual([...may.matchAll(/anonymous|external|workload|node|operator/g)].map(([role]) => role).sort(), [...roles].sort(), `${method} ${path}`);
	}
});

test('docs/api.md names only errors that exist', (t) => {
	const words = [...read('docs/api.md').matchAll(/`((?:token|csr|name|authorization|certificate|node|ca|request|identity)-[a-z-]+)`/g)].map((match) => match[1]!);
	t.true(words.length > 20);
	t.deepEqual(words.filter((word) => !isErrorCode(word)), []);
});

test('docs/configuration.md has every setting of the plugin with its default', (t) => {
	const table = rows(read('docs/configuration.md'));
	const manifest = JSON.parse(read('config.json')) as { env: { name: string; value: string }[]; mounts: { name: string; source: string; settable?: string[] }[] };
	for (const { name, value } of manifest.env) t.is(table.get(name)?.[2]?.split(' ')[0], value === '' ? defaultWhenEmpty(name) : `\`${value}\``, name);
	for (const { name, source, settable = [] } of manifest.mounts) if (settable.includes('source')) t.is(table.get(`${name}.source`)?.[2], `\`${source}\``);
});

/** What the manifest leaves empty the documentation says in words. */
function defaultWhenEmpty(name: string): string {
	return name === 'NODE_NAME' ? 'the' : 'none';
}

test('docs/configuration.md has every label that the plugin knows', (t) => {
	const error = t.throws(() => parseIdentityLabels(new Map([['birthmark.there-is-no-such-label', '']])), { instanceOf: BirthmarkError });
	const known = [...(error?.message ?? '').matchAll(/birthmark\.[a-z-]+(?=,|$)/g)].map(([label]) => label);
	t.true(known.includes('birthmark.cn'));
	const documented = [...rows(read('docs/configuration.md')).keys()].filter((name) => name.startsWith('birthmark.'));
	t.deepEqual(documented.sort(), known.sort());
});

test('docs/configuration.md has every key of the CA with its variable and default', (t) => {
	const table = rows(read('docs/configuration.md'));
	for (const [path, value] of leaves(readCaConfig('{}', {}))) {
		const [, variable, fallback] = table.get(path) ?? [];
		t.is(variable, `\`BIRTHMARK_CA_${path.replace(/[A-Z]/g, (letter) => `_${letter}`).replaceAll('.', '_').toUpperCase()}\``, path);
		t.true(fallback?.startsWith(`\`${value}\``), `${path}: ${value}`);
	}
});

function leaves(value: object, prefix = ''): [string, string][] {
	return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
		if (Array.isArray(inner)) return [[prefix + key, inner.join(',') || 'none']];
		return typeof inner === 'object' && inner !== null ? leaves(inner, `${prefix}${key}.`) : [[prefix + key, String(inner)]];
	});
}

test('docs/configuration.md has every file on the volume, and every command and option of the agent', (t) => {
	const text = read('docs/configuration.md');
	for (const name of Object.values(VolumeFile)) t.true(rows(text).has(name) || rows(text).has(`${name}/`), name);
	for (const [option] of HELP.matchAll(/--[a-z-]+/g)) t.true(text.includes(option), option);
	for (const [, command] of HELP.matchAll(/^ {2}birthmark-agent ([a-z]+)/gm)) t.true(rows(text).has(command!), command);
});

test('docs/cli.md has every command of birthmark with its options, and no other', async (t) => {
	const text = read('docs/cli.md');
	const program = new Command('birthmark').enablePositionalOptions();
	for (const file of readdirSync(join(ROOT, 'cli/commands'))) {
		const module = await import(join(ROOT, 'cli/commands', file)) as Record<string, (program: Command, context: Context) => void>;
		for (const add of Object.values(module)) add(program, {} as Context);
	}
	const known = commands(program);
	const documented = [...rows(text).keys()].filter((name) => name.startsWith('birthmark ')).map((name) => name.replace(/ [<[].*$/, ''));
	t.deepEqual(documented.sort(), known.map(({ path }) => path).sort());
	for (const { path, options } of known) for (const option of options) t.true(text.includes(option), `${path} ${option}`);
});

function commands(command: Command, path = 'birthmark'): { path: string; options: string[] }[] {
	return command.commands.flatMap((inner) => {
		const name = `${path} ${inner.name()}`;
		// A command with others below it counts itself when it takes arguments of its own.
		if (inner.commands.length > 0 && inner.registeredArguments.length === 0) return commands(inner, name);
		return [...commands(inner, name), { path: name, options: inner.options.flatMap(({ long }) => long ?? []) }];
	});
}

const PAGES = ['.', 'docs', 'docs/adr'].flatMap((folder) => readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.md')).map((name) => join(folder, name)));

test('every relative link leads to a file that exists, and to a heading in it', (t) => {
	t.true(PAGES.includes('README.md'));
	for (const page of PAGES) {
		for (const [, target] of withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
			if (/^[a-z]+:/.test(target!)) continue;
			const [path, anchor] = target!.split('#');
			const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path!));
			if (!existsSync(join(ROOT, file))) t.fail(`${page}: there is no ${file}`);
			else if (anchor !== undefined) t.true(anchors(read(file)).includes(anchor), `${page}: ${file} has no heading #${anchor}`);
		}
	}
});

test('every make target that is named exists', (t) => {
	const targets = new Set([...read('Makefile').matchAll(/^([a-z0-9-]+):/gm)].map((match) => match[1]!));
	for (const page of PAGES) for (const [, name] of read(page).matchAll(/(?:^ {4}|`|\$ )make ([a-z0-9-]+)/gm)) t.true(targets.has(name!), `${page}: make ${name}`);
});

function withoutCode(text: string): string {
	return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

/** As GitHub makes them: lower case, no punctuation, hyphens for blanks. */
function anchors(text: string): string[] {
	return [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}
