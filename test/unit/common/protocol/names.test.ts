/** Which names may stand in a certificate, as a table, and how a name is shown. */

import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkDnsName, checkName, printable, quote, roleOf, type NameKind } from '#common/protocol/names.ts';

const LONGEST_LABEL = 'a'.repeat(63);

const HOSTS: NameKind[] = ['common name', 'node name'];
const WORDS: NameKind[] = ['role', 'environment'];
const ALL: NameKind[] = [...HOSTS, ...WORDS];

const LEGAL: ReadonlyArray<readonly [readonly NameKind[], string]> = [
	[ALL, 'a'],
	[ALL, 'api01'],
	[ALL, 'web-api'],
	[ALL, 'api01.example.com'],
	[ALL, LONGEST_LABEL],
	[ALL, '3com'],
	[ALL, '10.0.0.1a'],
	[WORDS, 'Web_API.v2'],
	[WORDS, 'PRODUCTION'],
	[WORDS, '2026.10'],
	[WORDS, 'a'.repeat(64)],
	[HOSTS, `${'a'.repeat(32)}.${'b'.repeat(31)}`],
	[HOSTS, 'xn--bcher-kva.example'],
];
for (const [kinds, name] of LEGAL) {
	for (const kind of kinds) test(`${name} is a ${kind}`, (t) => t.is(checkName(kind, name), name));
}

const ILLEGAL: ReadonlyArray<readonly [readonly NameKind[], string, RegExp]> = [
	[ALL, '', /it is empty$/],
	[ALL, 'a'.repeat(65), /longer than 64 characters$/],
	[ALL, `${'a'.repeat(40)}.${'b'.repeat(40)}`, /longer than 64 characters$/],
	[ALL, 'api\u0000', /control characters$/],
	[ALL, 'api\n', /control characters$/],
	[ALL, 'api\u001b[31m', /control characters$/],
	[ALL, '*', /wildcards/],
	[ALL, '*.example.com', /wildcards/],
	[ALL, 'api*', /wildcards/],
	[ALL, '../api', /looks like a path$/],
	[ALL, 'a/b', /looks like a path$/],
	[ALL, 'a\\b', /looks like a path$/],
	[ALL, 'birthmark', /reserved$/],
	[ALL, 'birthmark-ca', /reserved$/],
	[ALL, 'birthmarks.example', /reserved$/],
	[WORDS, 'BirthMark', /reserved$/],
	[ALL, '.', /accepted: use/],
	[ALL, '..', /accepted: use/],
	[ALL, '.a', /accepted: use/],
	[ALL, 'a.', /accepted: use/],
	[ALL, '-a', /accepted: use/],
	[ALL, 'a-', /accepted: use/],
	[ALL, 'a..b', /accepted: use/],
	[ALL, 'a b', /accepted: use/],
	[ALL, ' a', /accepted: use/],
	[ALL, 'a,b', /accepted: use/],
	[ALL, 'a=b', /accepted: use/],
	[ALL, 'a+b', /accepted: use/],
	[ALL, 'bücher', /accepted: use/],
	[ALL, 'аpi', /accepted: use/], // Cyrillic а
	[ALL, 'a:1', /accepted: use/],
	[ALL, '::1', /accepted: use/],
	[ALL, 'a@b', /accepted: use/],
	[ALL, 'a%2fb', /accepted: use/],
	[ALL, 'a\u202eb', /accepted: use/],
	[HOSTS, 'API', /use a host name/],
	[HOSTS, 'a_b', /use a host name/],
	[HOSTS, 'a.-b', /use a host name/],
	[HOSTS, 'a-.b', /use a host name/],
	[HOSTS, 'a'.repeat(64), /use a host name/],
	[HOSTS, '127.0.0.1', /reads as an IP address$/],
	[HOSTS, '2130706433', /reads as an IP address$/],
	[HOSTS, '127.1', /reads as an IP address$/],
];
for (const [kinds, name, why] of ILLEGAL) {
	for (const kind of kinds) {
		test(`${JSON.stringify(name)} is no ${kind}`, (t) => {
			const error = t.throws(() => checkName(kind, name), { instanceOf: BirthmarkError, message: why });
			t.is(error?.code, 'name-illegal');
			t.true(error?.message.startsWith(`the ${kind} "`));
			t.notRegex(error?.message ?? '', /[\p{Cc}\p{Cf}]/u);
		});
	}
}

for (const name of ['localhost', 'db.internal', 'a-b.example.com', `${LONGEST_LABEL}.com`, [LONGEST_LABEL, LONGEST_LABEL, LONGEST_LABEL, 'a'.repeat(61)].join('.')]) {
	test(`${name.slice(0, 70)} (${name.length}) is a DNS name`, (t) => t.is(checkDnsName(name), name));
}

for (const [name, why] of [
	['', /lower-case host names/], ['A.example', /lower-case host names/], ['*.example.com', /lower-case host names/], ['a_b.example', /lower-case host names/],
	['example.com.', /lower-case host names/], ['a..b', /lower-case host names/], ['a\n', /lower-case host names/], ['a b', /lower-case host names/],
	[`${'a'.repeat(64)}.com`, /lower-case host names/], [[LONGEST_LABEL, LONGEST_LABEL, LONGEST_LABEL, 'a'.repeat(62)].join('.'), /lower-case host names/],
	['10.0.0.1', /IP address/], ['1', /IP address/], ['web.1', /IP address/], ['[::1]', /lower-case host names/],
	['birthmark-ca', /reserved/], ['birthmark.example', /reserved/],
] as const) {
	test(`${JSON.stringify(name).slice(0, 70)} (${name.length}) is no DNS name`, (t) => {
		const error = t.throws(() => checkDnsName(name), { instanceOf: BirthmarkError, message: why });
		t.is(error?.code, 'name-illegal');
	});
}

for (const [name, role] of [['api01', 'api'], ['shop-api-3', 'shop-api'], ['db', 'db'], ['a--7', 'a'], ['1-2', '1'], ['v2.api-10', 'v2.api'], ['k8s', 'k8s']] as const) {
	test(`the role of ${name} is ${role} unless somebody says otherwise`, (t) => t.is(roleOf(name), role));
}

test('a name is shown quoted, cut at 80 characters and harmless to a terminal', (t) => {
	t.is(quote('api01'), '"api01"');
	t.is(quote('a"b\\'), '"a\\"b\\\\"');
	t.is(quote('a'.repeat(81)), `"${'a'.repeat(80)}…"`);
	t.is(quote('a'.repeat(80)), `"${'a'.repeat(80)}"`);
	t.is(quote('\u001b]0;title\u0007\n'), '"\\u001b]0;title\\u0007\\n"');
	t.is(quote('\u007f\u009b\u2028\u202e\u200b\u2066\ufeff'), '"???????"');
});

test('text is printable without control characters and without those that reorder it', (t) => {
	t.is(printable('bücher 日本 🙂'), 'bücher 日本 🙂');
	t.is(printable('a\u001b[2Jb\r\nc\td\u009b1m\u202e\u2069\u00ad'), 'a?[2Jb??c?d?1m???');
});
