import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { failuresIn } from '../../../scripts/failures.ts';
import { BUILD, PROJECT } from '../../../scripts/paths.ts';

/** What ava really prints about a test file with this in it. */
function outputOf(program: string): string {
	mkdirSync(BUILD, { recursive: true });
	const folder = mkdtempSync(join(BUILD, 'failures-'));
	try {
		const file = join(folder, 'some.test.mjs');
		writeFileSync(file, `import test from 'ava';\ntest('it holds', (t) => t.is(1, 1));\n${program}`);
		writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
		const { AVA_PATH: _, ...env } = process.env;
		return spawnSync(join(PROJECT, 'node_modules/.bin/ava'), ['--timeout', '2m', 'some.test.mjs'], { cwd: folder, env: { ...env, NODE_PATH: '' }, encoding: 'utf8' }).stdout;
	} finally {
		rmSync(folder, { recursive: true });
	}
}

test('of a run in which all passed there is nothing to tell', (t) => {
	t.is(failuresIn(outputOf('')), '');
});

test('a failed test stands last by its name, with the assertion above it, and without those that passed', (t) => {
	const told = failuresIn(outputOf("test('two is one', (t) => t.is(2, 1));"));
	t.regex(told, /\+ 1\n[^]*✘ \[fail\]: two is one/);
	t.notRegex(told, /✔/);
});

test('what fails outside of tests is told as well', (t) => {
	t.regex(failuresIn(outputOf("setTimeout(() => { throw new Error('elsewhere'); }, 50);\ntest('waits', (t) => new Promise((resolve) => setTimeout(resolve, 5000)));")), /elsewhere[^]*Uncaught exception/);
});
