import test from 'ava';
import { JsonObject, parseStrictJson, parseUniqueJson, type JsonValue } from '#common/protocol/strict-json.ts';

const parse = (text: string) => parseStrictJson(Buffer.from(text));

/** The same value as JSON.parse gives, for texts without repeated keys. */
function plain(value: JsonValue): unknown {
	if (value instanceof JsonObject) return Object.fromEntries(value.entries.map(([key, inner]) => [key, plain(inner)]));
	return Array.isArray(value) ? value.map(plain) : value;
}

for (const text of ['null', 'true', '0', '-1.5e-3', '""', '"a\\n\\u00e9\\"b"', '[]', '{}', ' [ 1 , [ ] , { "a" : { "b" : [ null , false ] } } ]\r\n', '{"é":"ſ"}']) {
	test(`reads ${text.trim()} as JSON.parse does`, (t) => {
		t.deepEqual(plain(parse(text)), JSON.parse(text));
	});
}

test('a repeated key is kept, in its order', (t) => {
	const value = parse('{"a":1,"A":2,"a":3}') as JsonObject;
	t.deepEqual(value.entries, [['a', 1], ['A', 2], ['a', 3]]);
});

const refused: readonly (readonly [what: string, bytes: string | Buffer])[] = [
	['nothing', ''],
	['a second value', '{} {}'],
	['rubbish after the value', '{"Image":"x"}garbage'],
	['a byte order mark', '\ufeff{}'],
	['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
	['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
	['single quotes', "{'a':1}"],
	['a comma at the end of an object', '{"a":1,}'],
	['a comma at the end of a list', '[1,]'],
	['an unclosed object', '{"a":1'],
	['a key without quotes', '{a:1}'],
	['a leading zero', '01'],
	['a plus sign', '+1'],
	['a control character in a string', '"a\nb"'],
	['half of a surrogate pair', '"\\ud800"'],
	['an unknown escape', '"\\x41"'],
	['a comment', '{}/* */'],
	['NaN', 'NaN'],
	['nesting deeper than 64 levels', '['.repeat(100) + ']'.repeat(100)],
];

for (const [what, bytes] of refused) {
	test(`refuses ${what}`, (t) => {
		t.throws(() => parseStrictJson(Buffer.from(bytes)), { instanceOf: SyntaxError });
		t.throws(() => parseUniqueJson(Buffer.from(bytes)), { instanceOf: SyntaxError });
	});
}

for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"b":{"a":1,"c":2,"a":null}}]', '{"__proto__":1,"__proto__":2}']) {
	test(`${text}, which has a key twice, is refused where there has to be one reading`, (t) => {
		t.throws(() => parseUniqueJson(Buffer.from(text)), { instanceOf: SyntaxError, message: 'a key is there more than once' });
	});
}

test('what has each key once is read as JSON.parse reads it, names of the prototype among it', (t) => {
	const text = '{"a":{"A":1,"a":[{"a":null}]},"__proto__":{"isAdmin":true},"constructor":"x"}';
	const value = parseUniqueJson(Buffer.from(text)) as object;
	t.deepEqual(value, JSON.parse(text));
	t.is(Object.getPrototypeOf(value), Object.prototype);
	t.false('isAdmin' in value);
});

test('mutated requests are read like JSON.parse, or refused', (t) => {
	const original = Buffer.from('{"Image":"x","Labels":{"birthmark.cn":"api01"},"HostConfig":{"Binds":["/a:/b"],"Memory":0,"Privileged":false}}');
	let accepted = 0;
	for (let position = 0; position < original.length; position++) {
		for (const byte of [0x00, 0x22, 0x2c, 0x3a, 0x5c, 0x7b, 0x7d, 0xff]) {
			const mutated = Buffer.from(original);
			mutated[position] = byte;
			let value: JsonValue;
			try {
				value = parseStrictJson(mutated);
			} catch (error) {
				t.true(error instanceof SyntaxError);
				continue;
			}
			accepted++;
			t.deepEqual(plain(value), JSON.parse(mutated.toString('utf8')));
		}
	}
	t.true(accepted > 0);
});
