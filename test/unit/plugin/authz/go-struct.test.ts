import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseStrictJson } from '#common/protocol/strict-json.ts';
import { asString, isSet, stringMap, structFields } from '../../../../plugin/authz/go-struct.ts';

const struct = (text: string) => structFields(parseStrictJson(Buffer.from(text)), 'HostConfig');
const code = (error: unknown) => (error as BirthmarkError).code;

test('fields are found whatever their case', (t) => {
	t.is(struct('{"pRIVILEGED":true}').get('privileged'), true);
});

test('null is as good as absent', (t) => {
	t.false(struct('{"Labels":null}').has('labels'));
	t.is(structFields(null, 'x').size, 0);
	t.is(structFields(undefined, 'x').size, 0);
});

for (const [what, text] of [
	['the same key twice', '{"HostConfig":{},"HostConfig":{}}'],
	['two spellings of one key', '{"Labels":{},"LABELS":{}}'],
	['a key that a later null would clear', '{"Labels":{"a":"b"},"labels":null}'],
	['the long s, which Go folds into s', '{"Labelſ":{}}'],
	['the Kelvin sign, which Go folds into k', '{"\\u212aernelMemory":1}'],
	['a control character in a key', '{"a\\u0000":1}'],
] as const) {
	test(`refuses ${what}`, (t) => {
		t.is(code(t.throws(() => struct(text))), 'engine-request-ambiguous');
	});
}

test('what is no object is refused', (t) => {
	t.is(code(t.throws(() => struct('[]'))), 'request-malformed');
	t.is(code(t.throws(() => asString(1, 'Image'))), 'request-malformed');
});

test('keys of a map keep their case, and the last of two wins', (t) => {
	const labels = stringMap(parseStrictJson(Buffer.from('{"a":"1","A":"2","ſ":"3","a":"4"}')), 'Labels');
	t.deepEqual([...labels], [['a', '4'], ['A', '2'], ['ſ', '3']]);
});

test('zero values of Go are not set, others are', (t) => {
	for (const text of ['null', 'false', '0', '""', '[]', '{}']) t.false(isSet(parseStrictJson(Buffer.from(text))), text);
	for (const text of ['true', '1', '"x"', '[0]', '{"a":null}']) t.true(isSet(parseStrictJson(Buffer.from(text))), text);
});
