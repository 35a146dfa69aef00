import test from 'ava';
import { throws } from 'node:assert/strict';
import fc from 'fast-check';
import type { EngineCall } from '../../../../plugin/authz/engine-call.ts';
import { refuseForm, refuseUnseenBody } from '../../../../plugin/authz/unseen-body.ts';
import { holds } from '../../../support/property.ts';

const call = (headers: Record<string, string>, body?: string): EngineCall => ({ method: 'POST', path: '/commit', query: new URLSearchParams(), headers, caller: 'local', ...(body !== undefined && { body: Buffer.from(body) }) });
const UNSEEN = { code: 'engine-request-unseen' };

/** What Go folds into an ASCII letter besides its own other case. */
const FOLDS: Readonly<Record<string, string>> = { i: '\u0130', k: '\u212a' };

test('a form is a form in every spelling that the engine takes for one', (t) => {
	const letter = (text: string): fc.Arbitrary<string> => fc.constantFrom(text, text.toUpperCase(), FOLDS[text] ?? text);
	const type = fc.constantFrom('application/x-www-form-urlencoded', 'multipart/form-data').chain((text) => fc.tuple(...[...text].map(letter))).map((letters) => letters.join(''));
	const spelt = fc.tuple(fc.constantFrom('', ' ', '\t'), type, fc.constantFrom('', ' ', ';', '; charset=utf-8', ' ;boundary="b"; a')).map((parts) => parts.join(''));
	holds(t, 500, fc.property(spelt, fc.constantFrom({}, { 'Content-Length': '7' }, { 'Content-Length': '00' }), (contentType, more) => {
		throws(() => refuseForm(call({ 'Content-Type': contentType, ...more })), UNSEEN, contentType);
	}));
});

test('other bodies are no forms, and an empty form has no parameters', (t) => {
	for (const type of ['application/json', 'application/x-tar', 'text/plain', 'application/octet-stream', 'application/tar+gzip', 'application/vnd.docker.raw-stream', '']) t.notThrows(() => refuseForm(call({ 'Content-Type': type })), type);
	t.notThrows(() => refuseForm(call({})));
	t.notThrows(() => refuseForm(call({ 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '0' })));
});

test('a call that is judged by its address may have a body that was shown, or none', (t) => {
	t.notThrows(() => refuseUnseenBody(call({ 'Content-Type': 'application/json' }, '{}'), 'commit'));
	t.notThrows(() => refuseUnseenBody(call({}), 'commit'));
	t.notThrows(() => refuseUnseenBody(call({ 'Content-Type': 'text/plain', 'Content-Length': '0' }), 'commit'));
});

test('a call that is judged by its address may have no body that was not shown, whatever the last media type says', (t) => {
	for (const type of ['application/json', 'text/plain', 'application/x-tar', 'nonsense']) {
		t.throws(() => refuseUnseenBody(call({ 'Content-Type': type, 'Content-Length': '9' }), 'commit'), UNSEEN, type);
		t.throws(() => refuseUnseenBody(call({ 'Content-Type': type }), 'commit'), UNSEEN, `${type}, in chunks`);
	}
});
