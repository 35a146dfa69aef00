import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { whileLocked } from '../../../../cli/engine/setup-lock.ts';
import { temporaryFolder } from '../../../support/ca.ts';

const never = (): Promise<never> => Promise.reject(new Error('both at once'));

test('while one command changes a daemon.json another is refused, by whichever of its names, and one for another engine is not', async (t) => {
	const folder = temporaryFolder(t);
	const [file, link, none] = ['daemon.json', 'link.json', 'none.json'].map((name) => join(folder, name)) as [string, string, string];
	writeFileSync(file, '{}');
	symlinkSync(file, link);
	const done = await whileLocked(file, async () => {
		for (const path of [file, link]) await t.throwsAsync(whileLocked(path, never, folder), { code: 'setup-failed', message: /another birthmark command is changing .*; nothing was changed/ } as never);
		return whileLocked(none, async () => 'the other', folder);
	}, folder);
	t.is(done, 'the other');
	t.is(await whileLocked(link, async () => 'again', folder), 'again');
});

test('work that fails, or a command that is killed, leaves no lock', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'daemon.json');
	await t.throwsAsync(whileLocked(file, () => Promise.reject(new Error('failed')), folder), { message: 'failed' });
	const module = fileURLToPath(new URL('../../../../cli/engine/setup-lock.ts', import.meta.url));
	const script = `const { whileLocked } = await import(${JSON.stringify(module)}); await whileLocked(${JSON.stringify(file)}, () => { console.log('held'); return new Promise((resolve) => setTimeout(resolve, 600_000)); }, ${JSON.stringify(folder)});`;
	const other = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
	t.teardown(() => other.kill('SIGKILL'));
	await once(other.stdout, 'data');
	await t.throwsAsync(whileLocked(file, never, folder), { code: 'setup-failed' } as never);
	other.kill('SIGKILL');
	await once(other, 'exit');
	t.is(await whileLocked(file, async () => 'again', folder), 'again');
});
