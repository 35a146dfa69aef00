/** `birthmark plugin upgrade`, as far as it goes without an engine. What it does with one: test/unit/cli/upgrade. */

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { setupLock, whileLocked } from '../../../../cli/engine/setup-lock.ts';
import { newCommand } from '../../../support/command.ts';

const isRoot = process.getuid?.() === 0;

test('it wants a version, or to go on with an upgrade that was begun, and not both', async (t) => {
	const birthmark = newCommand(t, 'plugin', 'upgrade');
	for (const [args, says] of [[[], /name the new version/], [['registry/x:2', '--resume'], /leave the reference out/], [['registry/x:2', '--undo'], /leave the reference out/], [['--resume', '--undo'], /choose one/]] as const) {
		const { code, stderr } = await birthmark(args);
		t.is(code, 2, stderr);
		t.regex(stderr, says);
		t.regex(stderr, /\[usage\]/);
	}
});

(isRoot ? test : test.skip)('while another command changes daemon.json it changes nothing; it may look', async (t) => {
	const birthmark = newCommand(t);
	const daemonJson = join(birthmark.home, 'daemon.json');
	writeFileSync(daemonJson, '{ "authorization-plugins": ["birthmark"] }');
	t.teardown(() => rmSync(setupLock(daemonJson), { force: true }));
	const upgrade = (...args: string[]) => birthmark(['plugin', 'upgrade', ...args, '--daemon-json', daemonJson, '--state', join(birthmark.home, 'upgrade.json')]);
	await whileLocked(daemonJson, async () => {
		for (const what of ['registry/x:2', '--resume']) {
			const { code, stderr } = await upgrade(what);
			t.is(code, 1, stderr);
			t.regex(stderr, /another birthmark command is changing .*daemon\.json; nothing was changed.*\[setup-failed\]/);
		}
		t.regex((await upgrade('registry/x:2', '--dry-run')).stderr, /\[engine-unavailable\]/);
	});
	t.regex((await upgrade('registry/x:2')).stderr, /\[engine-unavailable\]/);
});
