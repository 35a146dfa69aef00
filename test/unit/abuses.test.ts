/** The table of abuses in docs/threat-model.md and the tests in test/integration/abuses say the same. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { isErrorCode } from '#common/protocol/errors.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(`${ROOT}docs/threat-model.md`, 'utf8');
const CATALOGUE = `${ROOT}test/integration/abuses/`;
/** In the table: a number, an abuse, a verdict, how. */
const ROW = /^\| (\d+) \| (.+?) \| (.+?) \| .+ \|$/gm;
/** In the tests: `abuse(23, 'title', refused('code', 'code'), …`. */
const DECLARED = /^abuse\((\d+), (['"`]).+?\2, (refused|harmless|limit)\(([^)]*)\), async/gm;

/** Number → every `refused code`, `limit name` and `harmless` that it may come to. */
function tested(): Map<number, Set<string>> {
	const found = new Map<number, Set<string>>();
	for (const file of readdirSync(CATALOGUE)) {
		const source = readFileSync(CATALOGUE + file, 'utf8');
		const declarations = [...source.matchAll(DECLARED)];
		if (declarations.length !== [...source.matchAll(/\babuse\(/g)].length) throw new Error(`${file}: number, title and verdict of an abuse are not literals on one line`);
		for (const [, number, , kind, args] of declarations) {
			const verdicts = [...args!.matchAll(/(['"`])(.+?)\1/g)].map(([, , text]) => `${kind} ${text}`);
			const all = found.get(Number(number)) ?? new Set();
			for (const verdict of verdicts.length > 0 ? verdicts : [kind!]) all.add(verdict);
			found.set(Number(number), all);
		}
	}
	return found;
}

/** The same from a cell: "refused `a`, `b`; limit `c`; harmless". */
function said(cell: string): Set<string> {
	return new Set(cell.split('; ').flatMap((part) => {
		const kind = part.split(' ')[0]!;
		const words = [...part.matchAll(/`([^`]+)`/g)].map(([, word]) => `${kind} ${word}`);
		return words.length > 0 ? words : [kind];
	}));
}

const rows = new Map([...PAGE.matchAll(ROW)].map(([, number, , verdict]) => [Number(number), verdict!]));

test('the table has the abuses 1 to 56, each once and in order', (t) => {
	t.deepEqual([...PAGE.matchAll(ROW)].map(([, number]) => Number(number)), Array.from({ length: 56 }, (_, index) => index + 1));
});

test('what the table says becomes of an abuse is what its tests expect', (t) => {
	const tests = tested();
	t.deepEqual([...tests.keys()].sort((one, other) => one - other), [...rows.keys()], 'every abuse has a test');
	for (const [number, verdicts] of tests) t.deepEqual([...said(rows.get(number) ?? '')].sort(), [...verdicts].sort(), `abuse ${number}`);
});

test('codes exist, and limits are paragraphs of the page', (t) => {
	for (const verdict of [...tested().values()].flatMap((verdicts) => [...verdicts])) {
		const [kind, ...words] = verdict.split(' ');
		const name = words.join(' ');
		if (kind === 'refused') t.true(isErrorCode(name), name);
		if (kind === 'limit') t.true(PAGE.includes(`**${name}.**`), name);
	}
});
