/** Configuration: every fault at once, nothing of the values, frozen to the last leaf. */

import test from 'ava';
import { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseConfig } from '#common/runtime/config.ts';

const schema = z.strictObject({
	name: z.string().min(3),
	level: z.enum(['info', 'debug']).default('info'),
	url: z.url({ protocol: /^https$/ }).optional(),
	listen: z.strictObject({ port: z.int().max(65535).default(33004), hosts: z.array(z.strictObject({ name: z.string() })).default([{ name: 'localhost' }]) }).prefault({}),
});

test('defaults are filled in', (t) => {
	t.deepEqual(parseConfig(schema, { name: 'abc' }, 'test'), { name: 'abc', level: 'info', listen: { port: 33004, hosts: [{ name: 'localhost' }] } });
});

test('every fault is reported at once, with its path', (t) => {
	const value = { name: 'ab', level: 'loud', url: 'http://x', listen: { port: 70000, hosts: [{ name: 'a' }, { name: 7 }], address: 1 }, extra: true };
	const error = t.throws(() => parseConfig(schema, value, 'config.json'), { instanceOf: BirthmarkError });
	t.is(error?.code, 'config-invalid');
	const [first, ...faults] = error!.message.split('\n');
	t.is(first, 'config.json has 7 faults:');
	t.deepEqual(faults.map((fault) => /^ {2}([^:]+): ./.exec(fault)?.[1]).sort(), ['(top)', 'level', 'listen', 'listen.hosts.1.name', 'listen.port', 'name', 'url']);
	t.regex(error!.message, /Unrecognized key: "extra"/);
	t.regex(error!.message, /Unrecognized key: "address"/);
});

test('one fault is one line', (t) => {
	t.throws(() => parseConfig(schema, {}, 'environment'), { instanceOf: BirthmarkError, message: /^environment has a fault:\n {2}name: [^\n]+$/ });
});

for (const value of [undefined, null, 7, 'name', [], () => 7]) {
	test(`${typeof value} ${JSON.stringify(value)} is no configuration`, (t) => {
		t.throws(() => parseConfig(schema, value, 'test'), { instanceOf: BirthmarkError, message: /\(top\): / });
	});
}

test('what was given is not repeated: it may be a secret in the wrong place', (t) => {
	const secret = 'BMKJOIN-1-secret';
	for (const value of [{ name: { secret } }, { name: 'abc', level: secret }, { name: 'abc', url: secret }, { name: 'abc', listen: { port: secret } }, { name: 'abc', listen: secret }, secret]) {
		const error = t.throws(() => parseConfig(schema, value, 'test'), { instanceOf: BirthmarkError });
		t.false(error?.stack?.includes(secret));
		t.is(error?.cause, undefined);
	}
});

test('the result is frozen to the last leaf, and what was given is left alone', (t) => {
	const given = { name: 'abc', listen: { hosts: [{ name: 'a' }] } };
	const config = parseConfig(schema, given, 'test');
	for (const inner of [config, config.listen, config.listen.hosts, config.listen.hosts[0]]) t.true(Object.isFrozen(inner));
	t.throws(() => {
		(config.listen as { port: number }).port = 1;
	}, { instanceOf: TypeError });
	t.false(Object.isFrozen(given.listen.hosts[0]));
});
