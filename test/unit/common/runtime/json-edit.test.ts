import test from 'ava';
import { deepEqual, equal } from 'node:assert/strict';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseObject, removeMember, setMember } from '#common/runtime/json-edit.ts';
import { holds } from '../../../support/property.ts';

const RUNTIME = { path: '/opt/r' };

for (const [what, before, after] of [
	['an empty object', '{}\n', '{\n  "runtimes": {\n    "r": {\n      "path": "/opt/r"\n    }\n  }\n}\n'],
	['one with blanks', '{\n}', '{\n  "runtimes": {\n    "r": {\n      "path": "/opt/r"\n    }\n  }\n}'],
	['tabs', '{\n\t"debug": true\n}\n', '{\n\t"debug": true,\n\t"runtimes": {\n\t\t"r": {\n\t\t\t"path": "/opt/r"\n\t\t}\n\t}\n}\n'],
	['one line', '{"debug":true}', '{"debug":true, "runtimes": {"r":{"path":"/opt/r"}}}'],
	['other members of it, in their order', '{\n    "runtimes": { "b": {"path":"/b"}, "a": {"path":"/a"} },\n    "x": [1,  2]\n}', '{\n    "runtimes": { "b": {"path":"/b"}, "a": {"path":"/a"}, "r": {"path":"/opt/r"} },\n    "x": [1,  2]\n}'],
	['the member itself', '{"runtimes": {"r": {"path": "/old", "runtimeArgs": ["}"]}}, "x": 1}', '{"runtimes": {"r": {\n  "path": "/opt/r"\n}}, "x": 1}'],
] as const) {
	test(`a member is put into ${what}`, (t) => t.is(setMember(before, ['runtimes', 'r'], RUNTIME), after));
}

for (const [what, before, path, after] of [
	['the first', '{\n  "a": 1,\n  "b": "}"\n}', ['a'], '{\n  "b": "}"\n}'],
	['the last', '{\n  "a": 1,\n  "b": [2]\n}\n', ['b'], '{\n  "a": 1\n}\n'],
	['the only one', '{\n  "a": 1\n}\n', ['a'], '{}\n'],
	['one in the middle, with a key that has to be read', '{"a": 1, "\\u0062\\"": {"c": "\\\\"}, "d": 2}', ['b"'], '{"a": 1, "d": 2}'],
	['one further in', '{"a": {"b": {"c": 1}, "d": true}}', ['a', 'b'], '{"a": {"d": true}}'],
	['one that is not there', '{"a": {"b": 1}}', ['a', 'c'], '{"a": {"b": 1}}'],
	['what lies in something that is no object', '{"a": [1]}', ['a', 'c'], '{"a": [1]}'],
] as const) {
	test(`a member is taken out: ${what}`, (t) => t.is(removeMember(before, path), after));
}

const key = fc.oneof(fc.constantFrom('a', 'runtimes', 'r'), fc.string({ maxLength: 5 }).filter((name) => name !== '__proto__'));
const object = fc.dictionary(key, fc.jsonValue({ maxDepth: 3 }), { noNullPrototype: true });
const text = fc.tuple(object, fc.constantFrom(undefined, 1, 2, 4, '\t')).map(([value, indent]) => JSON.stringify(value, undefined, indent));

test('whatever the text is: what was put in is there, the rest is as it was, and taking it out again leaves the text as it was', (t) => {
	holds(t, 500, fc.property(text, fc.jsonValue({ maxDepth: 2 }), (before, value) => {
		const document = JSON.parse(before) as Record<string, unknown>;
		const after = setMember(before, ['there-is-no-such-key'], value);
		deepEqual(JSON.parse(after), { ...document, 'there-is-no-such-key': JSON.parse(JSON.stringify(value)) as unknown });
		if (Object.keys(document).length > 0) equal(removeMember(after, ['there-is-no-such-key']), before);
		for (const name of Object.keys(document)) {
			const { [name]: gone, ...rest } = document;
			deepEqual(JSON.parse(removeMember(before, [name])), rest);
			deepEqual(JSON.parse(setMember(before, [name], 7)), { ...document, [name]: 7 });
		}
	}));
});

for (const [what, bad, says] of [
	['no JSON', '{"a": 1,}', /is no JSON/],
	['a list', '[]', /no JSON object/],
	['nothing', '', /is no JSON/],
	['a key twice', '{"runtimes": {}, "run\\u0074imes": {}}', /"runtimes" twice/],
] as const) {
	test(`${what} is not edited`, (t) => {
		const error = t.throws(() => parseObject(bad, '/etc/docker/daemon.json'), { instanceOf: BirthmarkError, message: says });
		t.is(error.code, 'config-invalid');
	});
}
