/** `birthmark engine`, before it looks at any engine. */

import test from 'ava';
import { newCommand } from '../../../support/command.ts';

for (const name of ['', 'runc', 'io.containerd.runc.v2', 'a b', '--default', '../runc', 'x\ny']) {
	test(`${JSON.stringify(name)} is no name for a runtime of ours`, async (t) => {
		for (const command of ['setup', 'undo']) {
			const { code, stderr } = await newCommand(t)(['engine', command, `--name=${name}`, '--host', 'unix:///nonexistent/engine.sock']);
			t.is(code, 2);
			t.regex(stderr, /use letters, digits/);
		}
	});
}
