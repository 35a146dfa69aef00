/** Every label of the documentation's table: what it takes, what it refuses and in which sentence, and typing errors in its name. */

import { readFileSync } from 'node:fs';
import test from 'ava';
import { match, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { parseIdentityLabels } from '../../../../plugin/authz/labels.ts';
import { holds } from '../../../support/property.ts';

interface Example {
	readonly legal: readonly string[];
	readonly illegal: readonly (readonly [value: string, sentence: RegExp])[];
	/** what it means nothing without */
	readonly beside?: Readonly<Record<string, string>>;
}

const EXAMPLES: Readonly<Record<string, Example>> = {
	'birthmark.cn': { legal: ['api01', 'auto', 'a.b-c.example'], illegal: [['', /empty/], ['API', /host name/], ['10.0.0.1', /IP address/], ['birthmark-ca', /reserved/]] },
	'birthmark.ou': { legal: ['web-api', 'Web_API.2'], illegal: [['', /empty/], ['a/b', /path/], ['-a', /begin and end/]] },
	'birthmark.dns': { legal: ['api', 'api.example.com, api'], illegal: [['', /DNS name ""/], ['*.example.com', /DNS name/], ['a_b', /underscore/]] },
	'birthmark.profile': { legal: ['workload', 'client'], illegal: [['', /use workload, client/], ['server', /use workload, client/]] },
	'birthmark.ttl': { legal: ['10', '30s', '15m', '24h'], illegal: [['', /for example/], ['9s', /at least 10 seconds/], ['1d', /30s, 15m or 24h/]] },
	'birthmark.uid': { legal: ['0', '4294967294'], illegal: [['', /number/], ['root', /number/], ['-1', /number/]] },
	'birthmark.gid': { legal: ['0', '999'], illegal: [['', /number/], ['4294967295', /number/]] },
	'birthmark.mode': { legal: ['0700', '750'], illegal: [['', /three octal digits/], ['0777', /only the owner/], ['0600', /all three/]] },
	'birthmark.key-mode': { legal: ['0600', '0640', '0400', '0440'], illegal: [['', /0640/], ['0644', /0640/]] },
	'birthmark.formats': { legal: ['pkcs12', 'haproxy,der'], illegal: [['', /pkcs12/], ['jks', /pkcs12/]] },
	'birthmark.size': { legal: ['128k', '64m', '1048576'], illegal: [['', /from 128k to 64m/], ['65m', /from 128k to 64m/]] },
	'birthmark.inodes': { legal: ['64', '4096'], illegal: [['', /from 64 to 4096/], ['63', /from 64 to 4096/]] },
	'birthmark.ca': { legal: ['relay', 'network'], illegal: [['', /relay or network/], ['Relay', /relay or network/]] },
	'birthmark.agent': { legal: ['exec', 'none', 'node'], illegal: [['', /exec, none, node/], ['yes', /exec, none, node/]] },
	'birthmark.reload': { legal: ['signal:HUP', 'exec:nginx -s reload', 'http://127.0.0.1:8080/reload'], illegal: [['', /signal:/], ['signal:KILL', /signal/i], ['nginx', /signal:/]] },
	'birthmark.reload-on': { legal: ['any', 'certificate'], illegal: [['', /any or certificate/], ['crl', /any or certificate/]], beside: { 'birthmark.reload': 'signal:HUP' } },
	'birthmark.port': { legal: ['8443', '8443/api.example', 'postgres:5432'], illegal: [['', /8443/], ['0', /port/i], ['https', /8443/]] },
};
const AUTO = { commonName: 'shop-api-1' };

const parse = (labels: Readonly<Record<string, string>>) => parseIdentityLabels(new Map(Object.entries({ 'birthmark.cn': 'api01', ...labels })), AUTO);
const DOCUMENTED = [...readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8').matchAll(/^\| `(birthmark\.[a-z-]+)` \|/gm)].map(([, label]) => label!);

test('each label of the documentation has examples here', (t) => {
	t.true(DOCUMENTED.length >= 16);
	t.deepEqual(Object.keys(EXAMPLES).sort(), DOCUMENTED.toSorted());
});

for (const [label, { legal, illegal, beside }] of Object.entries(EXAMPLES)) {
	test(`${label} takes ${legal.join(' and ')}`, (t) => {
		for (const value of legal) t.notThrows(() => parse({ ...beside, [label]: value }), value);
	});

	test(`${label} refuses anything else in a sentence that names it and says what to do`, (t) => {
		for (const [value, sentence] of illegal) {
			const error = t.throws(() => parse({ ...beside, [label]: value }), { instanceOf: BirthmarkError }, value);
			t.true((['label-illegal', 'name-illegal'] satisfies ErrorCode[] as string[]).includes(error.code), error.code);
			t.regex(error.message, sentence);
			t.regex(error.message, new RegExp(error.code === 'label-illegal' ? `the label ${RegExp.escape(label)}=` : 'the (?:common name|role|DNS name) "'));
		}
	});
}

test('whatever a label says, it is taken or refused in one bounded sentence', (t) => {
	const value = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 200 }), fc.constantFrom(...Object.values(EXAMPLES).flatMap(({ legal }) => legal)));
	holds(t, 2000, fc.property(fc.constantFrom(...DOCUMENTED), value, (label, text) => {
		try {
			ok(parse({ ...EXAMPLES[label]?.beside, [label]: text }));
		} catch (error) {
			ok(error instanceof BirthmarkError, String(error));
			match(error.message, /^[^\n\r\u001b]{10,600}$/);
		}
	}));
});

test('a name that is almost that of a label is refused, and the right one is said', (t) => {
	const letter = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz-');
	holds(t, 500, fc.property(fc.constantFrom(...DOCUMENTED), fc.nat(), letter, fc.constantFrom('replace', 'insert', 'remove'), (label, seed, other, how) => {
		const at = 'birthmark.'.length + (seed % (label.length - 'birthmark.'.length));
		const wrong = label.slice(0, at) + (how === 'remove' ? '' : other) + label.slice(how === 'insert' ? at : at + 1);
		if (DOCUMENTED.includes(wrong)) return;
		try {
			parse({ [wrong]: 'x' });
		} catch (error) {
			ok(error instanceof BirthmarkError);
			match(error.code, /^label-unknown$/);
			return match(error.message, /did you mean birthmark\.|the labels are birthmark\./);
		}
		throw new Error(`${wrong} was taken`);
	}));
});
