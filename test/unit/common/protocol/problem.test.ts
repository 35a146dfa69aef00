/** What a client makes of an answer that is not 2xx. */

import test from 'ava';
import { ERROR_CODES, BirthmarkError, errorCode, isErrorCode, type ErrorCode } from '#common/protocol/errors.ts';
import { errorFromProblem, problemType, type Problem } from '#common/protocol/problem.ts';

const problem = (code: ErrorCode, detail: string): string => JSON.stringify({ type: problemType(code), title: 'Title', status: 400, detail, code } satisfies Problem);

test('every code comes back as it was sent, with its sentence', (t) => {
	for (const code of Object.keys(ERROR_CODES)) {
		t.true(isErrorCode(code));
		if (!isErrorCode(code)) continue;
		const error = errorFromProblem(400, problem(code, `about ${code}`));
		t.true(error instanceof BirthmarkError);
		t.is(error.code, code);
		t.is(error.message, `about ${code}`);
		t.is(problemType(code), `urn:birthmark:problem:${code}`);
	}
});

test('without a detail the code has its own sentence', (t) => {
	t.is(errorFromProblem(404, '{"code":"node-unknown"}').message, ERROR_CODES['node-unknown']);
	t.is(errorFromProblem(404, '{"code":"node-unknown","detail":7}').message, ERROR_CODES['node-unknown']);
});

for (const [name, body] of Object.entries({
	'nothing': '',
	'a page of a proxy': '<html>502 Bad Gateway</html>',
	'a cut-off document': '{"code":"node-unk',
	'a list': '[]',
	'null': 'null',
	'a string': '"node-unknown"',
	'no code': '{"detail":"x"}',
	'an unknown code': '{"code":"no-such-code","detail":"x"}',
	'a code that every object has': '{"code":"constructor","detail":"x"}',
	'a code that is no string': '{"code":["node-unknown"]}',
})) {
	test(`${name} is ca-protocol, with the status and nothing of the body`, (t) => {
		const error = errorFromProblem(502, body);
		t.is(error.code, 'ca-protocol');
		t.regex(error.message, /^the CA answered 502 with/);
		if (body.length > 4) t.false(error.message.includes(body.slice(0, 12)));
	});
}

test('a detail is bounded and cannot steer a terminal; its lines stay', (t) => {
	t.is(errorFromProblem(400, problem('forbidden', 'one\n  two\u001b[2J\r\u202e')).message, 'one\n  two?[2J??');
	t.is(errorFromProblem(400, problem('forbidden', 'a'.repeat(1_000_000))).message.length, 4096);
});

test('an error tells its code, an unexpected one none', (t) => {
	const cause = new Error('cause');
	const error = new BirthmarkError('usage', undefined, { cause });
	t.is(error.message, ERROR_CODES['usage']);
	t.is(error.cause, cause);
	t.is(error.name, 'BirthmarkError');
	t.is(errorCode(error), 'usage');
	for (const other of [new Error('x'), 'usage', undefined, { code: 'usage' }, Object.assign(new Error('x'), { code: 'usage' })]) t.is(errorCode(other), 'internal');
	for (const other of ['toString', '__proto__', '', 'Usage', 7, undefined, null]) t.false(isErrorCode(other));
});

test('a problem without words is told in the words of its code', (t) => {
	t.is(errorFromProblem(404, problem('node-unknown', '')).message, ERROR_CODES['node-unknown']);
});
