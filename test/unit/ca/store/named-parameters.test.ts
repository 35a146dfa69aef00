/** Named parameters, as both databases get them. */

import test from 'ava';
import { parseStatement, pickParameters } from '../../../../ca/store/named-parameters.ts';

test('each name has one number, in the order of their first use', (t) => {
	t.deepEqual(parseStatement('SELECT :b, :a, :b'), { numbered: 'SELECT $1, $2, $1', names: ['b', 'a'] });
});

test('what only looks like a parameter is none', (t) => {
	const text = `SELECT ':a', 'it''s :b', c::text`;
	t.deepEqual(parseStatement(text), { numbered: text, names: [] });
});

test('a parameter that is compared with NULL has a type', (t) => {
	t.is(parseStatement('(:a IS NULL OR a = :a) AND :b is not null').numbered, '(CAST($1 AS TEXT) IS NULL OR a = $1) AND CAST($2 AS TEXT) is not null');
	t.is(parseStatement('CAST(:a AS BIGINT) IS NULL').numbered, 'CAST($1 AS BIGINT) IS NULL');
});

test('only the parameters of the statement are taken, and none may be missing', (t) => {
	const statement = parseStatement('SELECT :a');
	t.deepEqual(pickParameters(statement, { a: null, b: 1 }), { a: null });
	t.throws(() => pickParameters(statement, { b: 1 }), { instanceOf: TypeError });
});
