/** Whatever else stands in a configuration, the identity is added to it and nothing else becomes another. */

import { deepEqual, equal, ok } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { changeSpec, type SpecChange } from '../../../../plugin/hook/spec.ts';
import { mutated } from '../../../support/mutation.ts';
import { holds } from '../../../support/property.ts';

const AGENT = '/run/birthmark/bin/birthmark-agent';
const MOUNT = { destination: '/run/birthmark', type: 'bind', source: '/s "1"', options: ['rbind', 'rprivate'] };
const CHANGE: SpecChange = { source: MOUNT.source, runsAgent: true, poststop: { path: '/bm', args: ['x'] } };
const HOOK = { path: '/bm', args: ['x'], timeout: 5 };
const OWN = ['process', 'mounts', 'hooks'];

const others = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 6 }).map((members) => {
	const seen = new Set(OWN);
	return Object.entries(members).filter(([key]) => !seen.has(key.toLowerCase()) && seen.add(key.toLowerCase()));
});
const words = fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 4 });
const mounts = fc.option(fc.array(fc.record({ destination: fc.constantFrom('/proc', '/run', '/data'), options: words }), { maxLength: 3 }));
const hooks = fc.option(fc.record({ prestart: fc.array(fc.record({ path: fc.string() }), { maxLength: 2 }), poststop: fc.option(fc.array(fc.record({ path: fc.string() }), { maxLength: 2 })) }));

test('the mount is last, the agent first, the hook last, and all else as it was', (t) => {
	const input = fc.record({ args: words, mounts, hooks, rest: others, turn: fc.nat(), indent: fc.constantFrom(0, 1, '\t\n') });
	holds(t, 300, fc.property(input, ({ args, mounts, hooks, rest, turn, indent }) => {
		const members: [string, unknown][] = [...rest, ['process', { cwd: '/', args }], ['mounts', mounts], ['hooks', hooks]];
		const at = turn % members.length;
		const before = Object.fromEntries([...members.slice(at), ...members.slice(0, at)]);
		const text = JSON.stringify(before, undefined, typeof indent === 'string' ? indent.slice(0, 1) : indent);
		const after = JSON.parse(changeSpec(text, CHANGE)) as Record<string, unknown>;
		const expected = JSON.parse(text) as Record<string, unknown>;
		expected['process'] = { cwd: '/', args: [AGENT, 'exec', '--', ...args] };
		expected['mounts'] = [...(mounts ?? []), MOUNT];
		expected['hooks'] = { ...hooks, poststop: [...(hooks?.poststop ?? []), HOOK] };
		deepEqual(after, JSON.parse(JSON.stringify(expected)));
		equal(changeSpec(text, { runsAgent: false }), text);
	}));
});

const VALID = Buffer.from('{"ociVersion":"1.0.2","process":{"user":{"uid":0},"args":["nginx","-g"],"rlimits":[{"hard":18446744073709551615}]},"hooks":{"poststop":[]},"mounts":[{"destination":"/run"}]}');

test('bytes that were changed are a configuration with the identity in it, or refused', (t) => {
	holds(t, 1500, fc.property(mutated(VALID), (bytes) => {
		try {
			const { mounts, process } = JSON.parse(changeSpec(bytes.toString('utf8'), CHANGE)) as { mounts: object[]; process: { args: string[] } };
			deepEqual(mounts.at(-1), MOUNT);
			ok(process.args.includes(AGENT));
		} catch (error) {
			ok(error instanceof BirthmarkError, String(error));
		}
	}));
});
