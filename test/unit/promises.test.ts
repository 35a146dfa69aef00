/** docs/promises.md names only tests that there are. */

import test from 'ava';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../docs/promises.md', import.meta.url));
const ROWS = readFileSync(PAGE, 'utf8').split('\n').filter((line) => /^\| (?!promise \||---)/.test(line));

/** Titles in a test file, as patterns: a literal matches itself, a template what may come of it. */
function titlesOf(path: string): RegExp[] {
	const source = readFileSync(path, 'utf8');
	return [...source.matchAll(/\((['`])((?:\\.|(?!\1)[^\\\n])+)\1/g)].map(([, , text]) => {
		const parts = text!.replace(/\\(['`\\])/g, '$1').split(/(\$\{[^}]*\})/);
		return new RegExp(`^${parts.map((part) => (part.startsWith('${') ? '.+' : RegExp.escape(part))).join('')}$`);
	}).filter(({ source: pattern }) => pattern !== '^.+$');
}

test('every promise has a test', (t) => {
	t.true(ROWS.length > 50);
	for (const row of ROWS) t.regex(row, /^\| [^|]+ \| \[.+\]\(\.\.\/test\/[^)]+\.test\.ts\) \|$/, row);
});

test('every test that a promise names is there, under that title', (t) => {
	const known = new Map<string, RegExp[]>();
	const missing = ROWS.flatMap((row) => row.split(' | ')[1]!.replace(/ \|$/, '').split('<br>')).filter((test) => {
		const [, title, link] = /^\[(.+)\]\((.+)\)$/.exec(test)!;
		const path = join(dirname(PAGE), link!);
		if (!existsSync(path)) return true;
		if (!known.has(path)) known.set(path, titlesOf(path));
		return !known.get(path)!.some((pattern) => pattern.test(title!));
	});
	t.deepEqual(missing, []);
});
