/** Which names a node may give away. */

import test from 'ava';
import { checkRules, matches, requireAllowed } from '../../../../ca/registration/allow.ts';

const MATCHING: ReadonlyArray<readonly [pattern: string, text: string, isMatch: boolean]> = [
	['api01', 'api01', true],
	['api01', 'api011', false],
	['api01', 'xapi01', false],
	['api??', 'api01', true],
	['api??', 'api1', false],
	['api??', 'api001', false],
	['*', 'anything.at.all', true],
	['*', '', true],
	['?', '', false],
	['web*', 'web', true],
	['web*', 'my-web', false],
	['*.internal', 'api.internal', true],
	['*.internal', 'api.internal.evil', false],
	['a*b*c', 'axxbxxc', true],
	['a*b*c', 'axxbxx', false],
	['a.c', 'abc', false],
];
for (const [pattern, text, isMatch] of MATCHING) {
	test(`${JSON.stringify(pattern)} ${isMatch ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, (t) => {
		t.is(matches(pattern, text), isMatch);
	});
}

test('a pattern of many wildcards is decided at once', (t) => {
	t.false(matches('*a'.repeat(60) + 'b', 'a'.repeat(250)));
});

const names = { commonName: 'db01', organizationalUnit: 'db', dnsNames: [] };

test('the refusal names the rules there are and the command that adds one', (t) => {
	const error = t.throws(() => requireAllowed(names, 'host1', ['api??/web-api', 'web??/web']));
	t.like(error, { code: 'name-not-allowed' });
	t.is(error.message, 'no rule allows the name "db01" with role "db" on node "host1"; allowed there: api??/web-api, web??/web; '
		+ 'an operator can add one with: birthmark node allow host1 \'db01/db\'');
});

test('without a rule nothing is allowed', (t) => {
	t.regex(t.throws(() => requireAllowed(names, 'host1', [])).message, /allowed there: nothing/);
});

test('name and role have to match in the same rule', (t) => {
	t.throws(() => requireAllowed(names, 'host1', ['db01/web', 'web01/db']), { message: /no rule/ });
	t.notThrows(() => requireAllowed(names, 'host1', ['web01/db', 'db*/d?']));
});

test('a further DNS name needs a rule of its own, or a node could take the name of another service', (t) => {
	const greedy = { ...names, dnsNames: ['api01'] };
	t.throws(() => requireAllowed(greedy, 'host1', ['db01/db']), { message: /no rule allows the name "api01"/ });
	t.notThrows(() => requireAllowed(greedy, 'host1', ['db01/db', 'api01/db']));
});

test('rules that are not rules are refused, repeated ones are kept once', (t) => {
	for (const rule of ['', 'web', 'web/', '/web', 'a/b/c', 'we b/web', '[a-z]/web']) t.throws(() => checkRules([rule]), { message: /is not an allow rule/ }, rule);
	t.deepEqual(checkRules(['a/b', 'a/b', 'c/d']), ['a/b', 'c/d']);
});
