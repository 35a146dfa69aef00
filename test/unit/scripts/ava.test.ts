import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ava } from '../../../scripts/ava.ts';
import type { Fact, Results } from '../../../scripts/facts.ts';
import { BUILD, PROJECT } from '../../../scripts/paths.ts';
import { repeatFailed } from '../../../scripts/repeat.ts';

interface Folder {
	readonly path: string;
	run(...args: string[]): Promise<Results>;
}

/** Test files that ava really runs, with a configuration as that of ours. */
function folderWith(t: ExecutionContext, programs: Readonly<Record<string, string>>): Folder {
	mkdirSync(BUILD, { recursive: true });
	const path = mkdtempSync(join(BUILD, 'observed-'));
	t.teardown(() => rmSync(path, { recursive: true }));
	writeFileSync(join(path, 'package.json'), '{"type":"module"}');
	writeFileSync(join(path, 'run.config.js'), `import { observed } from ${JSON.stringify(join(PROJECT, 'scripts/observed-run.ts'))};
export default { files: ['build/${basename(path)}/*.test.mjs'], workerThreads: false, timeout: '180s', ...observed };`);
	for (const [name, program] of Object.entries(programs)) writeFileSync(join(path, `${name}.test.mjs`), `import test from 'ava';\n${program}\n`);
	return { path, run: (...args) => ava(['--config', join(path, 'run.config.js'), ...args], () => {}) };
}

const inFolder = ({ path }: Folder, facts: readonly Fact[]): Fact[] => facts.map((fact) => (fact.file === undefined ? fact : { ...fact, file: fact.file.replace(`build/${basename(path)}/`, '') }));

test('of each test its file is known, and of each that failed the message, the first difference and the place in one line', async (t) => {
	const folder = folderWith(t, {
		a: "test('two is one', (t) => t.is(2, 1, 'so it is'));",
		b: "test('it holds', (t) => t.is(1, 1));\ntest('it throws', () => { throw new Error('a wheel is off\\nand more'); });",
	});
	const { facts, details } = await folder.run();
	t.deepEqual(inFolder(folder, facts).toSorted((one, other) => one.title.localeCompare(other.title)), [
		{ file: 'b.test.mjs', title: 'it holds' },
		{ file: 'b.test.mjs', title: 'it throws', error: 'Error thrown in test: Error { message: `a wheel is off␊ and more`, }' },
		{ file: 'a.test.mjs', title: 'two is one', error: `so it is Difference (- actual, + expected): - 2 + 1 (build/${basename(folder.path)}/a.test.mjs:2)` },
	]);
	t.regex(details, /two is one[^]*✘/);
});

test('what fails outside of tests belongs to its file, once', async (t) => {
	const folder = folderWith(t, {
		hook: "test.before('prepares', () => { throw new Error('nothing there'); });\ntest('is not reached', (t) => t.is(1, 1));",
		exception: "test('waits', () => new Promise((resolve) => { setTimeout(() => { throw new Error('elsewhere'); }); setTimeout(resolve, 60_000); }));",
		missing: "import './none.mjs';",
		killed: "test('is killed', () => { process.kill(process.pid, 'SIGKILL'); });",
		exits: "test('exits', () => process.exit(0));",
	});
	const { facts } = await folder.run();
	const told = inFolder(folder, facts).toSorted((one, other) => one.file!.localeCompare(other.file!));
	t.deepEqual(told.map(({ file, title }) => [file, title]), [
		['exception.test.mjs', 'uncaught-exception'],
		['exits.test.mjs', 'process-exit'],
		['hook.test.mjs', 'prepares'],
		['killed.test.mjs', 'its process'],
		['missing.test.mjs', 'uncaught-exception'],
	]);
	t.like(told.map(({ error }) => error), { 1: 'the test ends its own process', 3: 'ended with SIGKILL' });
	t.regex(told[4]!.error!, /Cannot find module/);
});

test('a run in which all pass has no fault, one without any test has one of no file', async (t) => {
	const folder = folderWith(t, { one: "test('it holds', (t) => t.is(1, 1));" });
	t.deepEqual(inFolder(folder, (await folder.run()).facts), [{ file: 'one.test.mjs', title: 'it holds' }]);
	t.deepEqual((await folder.run('none.test.mjs')).facts, [{ title: 'ava', error: 'ended with 1 and told of 0 tests' }]);
});

test('a run that keeps to itself what became of its tests is a fault, also where all passed', async (t) => {
	const { path } = folderWith(t, { one: "test('it holds', (t) => t.is(1, 1));" });
	writeFileSync(join(path, 'silent.config.js'), `export default { files: ['build/${basename(path)}/*.test.mjs'] };`);
	t.deepEqual((await ava(['--config', join(path, 'silent.config.js')], () => {})).facts, [{ title: 'ava', error: 'ended with 0 and told of 0 tests' }]);
});

test('a file that fails and passes when it runs again, alone, is told by what failed at first; the one beside it does not run again', async (t) => {
	const folder = folderWith(t, {
		flaky: `import { existsSync, writeFileSync } from 'node:fs';
const marker = new URL('marker', import.meta.url);
test('it holds', (t) => t.is(1, 1));
test('it holds sometimes', (t) => { const before = existsSync(marker); writeFileSync(marker, ''); t.true(before, 'not yet'); });`,
		firm: `import { appendFileSync } from 'node:fs';
test('it holds always', (t) => { appendFileSync(new URL('runs', import.meta.url), '.'); t.is(1, 1); });`,
	});
	const asked: Array<readonly string[]> = [];
	const again = (files: readonly string[]): Promise<Results> => {
		asked.push(files);
		return folder.run(...files);
	};
	const { results, onlyRepeated } = await repeatFailed([{ name: 'some', results: await folder.run(), again }], new AbortController().signal);
	const flaky = `build/${basename(folder.path)}/flaky.test.mjs`;
	t.deepEqual(asked, [[flaky]]);
	t.deepEqual(onlyRepeated, [`some ${flaky} › it holds sometimes: not yet Value is not \`true\`: false (${flaky}:5)`]);
	t.deepEqual(inFolder(folder, results[0]!.facts), [
		{ file: 'firm.test.mjs', title: 'it holds always' },
		{ file: 'flaky.test.mjs', title: 'it holds' },
		{ file: 'flaky.test.mjs', title: 'it holds sometimes' },
	]);
});
