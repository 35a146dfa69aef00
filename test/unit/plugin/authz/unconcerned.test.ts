/** Letting calls pass unread is only right where reading them would have let them pass as well. */

import test from 'ava';
import { deepEqual, equal, fail, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { silentLogger } from '#common/runtime/log.ts';
import { authorizeRequest, authorizeResponse } from '../../../../plugin/authz/authorizer.ts';
import { parseEngineCall } from '../../../../plugin/authz/engine-call.ts';
import { createOwnCalls } from '../../../../plugin/authz/own-calls.ts';
import type { AuthorizerDeps } from '../../../../plugin/authz/rule.ts';
import { isWatched, RULES, ruleFor } from '../../../../plugin/authz/rules.ts';
import { passesRequest, passesResponse } from '../../../../plugin/authz/unconcerned.ts';
import { holdsAsync } from '../../../support/property.ts';

const ownCalls = createOwnCalls();

interface GoRequest {
	User?: string;
	UserAuthNMethod?: string;
	RequestMethod?: string;
	RequestUri?: string;
	RequestBody?: string;
	RequestHeaders?: Record<string, string>;
	RequestPeerCertificates?: string[] | undefined;
	ResponseStatusCode?: number;
	ResponseBody?: string;
}

/** As Go's encoder writes the engine's structure: fields in their order, empty ones left out, HTML characters escaped, a line feed. */
function message({ User, UserAuthNMethod, RequestMethod, RequestUri, RequestBody, RequestHeaders, RequestPeerCertificates, ResponseStatusCode, ResponseBody }: GoRequest): Buffer {
	const fields = { User, UserAuthNMethod, RequestMethod, RequestUri, RequestBody, RequestHeaders, RequestPeerCertificates, ResponseStatusCode, ResponseBody };
	const filled = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''));
	return Buffer.from(JSON.stringify(filled).replace(/[<>&\u2028\u2029]/g, (char) => '\\u' + char.charCodeAt(0).toString(16).padStart(4, '0')) + '\n');
}

const METHODS = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'post', 'PRI'];
const pieces = fc.oneof(
	fc.constantFrom('/', '//', '/./', '/../', '%2F', '%2e%2e/', '%63', '%', '?', '#', '&', '<', '"', '\\', '\\u002f', '\n', 'é', '/v1.41', '/v1', '/v01.44.0', 'http://host', '/containers', '/create', '/x/start', '/c1/archive', '/commit', '/volumes', '/services', '/_ping', '/json', '/prune', '?all=1&size=0', '","RequestUri":"/_ping'),
	fc.string({ unit: 'binary', maxLength: 5 }),
);
const madeUri = fc.array(pieces, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
/** What each rule is about, under any prefix. */
const ruledUri = fc.constantFrom(...RULES).chain(({ path }) => fc.tuple(fc.constantFrom('', '/v1.24', '/v1.51', 'http://docker', '/.'), fc.stringMatching(path), fc.constantFrom('', '?a=b&c=d')).map((parts) => parts.join('')));
const hostile = fc.constantFrom('', 'ci', '","RequestMethod":"GET","RequestUri":"/_ping","User":"', '\\', '\\"', 'ä', '<&>');
const call = fc.record<GoRequest>({
	User: hostile,
	UserAuthNMethod: fc.constantFrom('', 'TLS'),
	RequestMethod: fc.constantFrom(...METHODS),
	RequestUri: fc.oneof(madeUri, ruledUri),
	RequestBody: fc.constantFrom('', '', '', 'e30='),
	RequestHeaders: fc.oneof(
		fc.constantFrom<Record<string, string>>({ 'User-Agent': 'x', Accept: '*/*' }, { Accept: 'a"\\' }, { ...ownCalls.headers, ...ownCalls.proofHeaders('nonce') }),
		fc.constantFrom('application/x-www-form-urlencoded', 'multipart/form-data', 'application/json').map((type) => ({ 'Content-Type': type })),
		fc.dictionary(fc.oneof(hostile, fc.constantFrom('Accept', 'User-Agent')), hostile),
	),
	RequestPeerCertificates: fc.constantFrom(undefined, ['LS0tLS1CRUdJTi', 'MIIB']),
});

/** Enough of them to see what the authorizer decides without asking anybody. */
const deps = {
	ownCalls,
	onProof: () => fail('a proof was seen'),
	onStartAsked: () => fail('a container is to be started'),
	onContainersRemoved: () => fail('containers were removed'),
	logger: silentLogger,
} as Partial<AuthorizerDeps> as AuthorizerDeps;

test('a request that passes unread is one that the authorizer lets pass, by no rule and with no consequence', async (t) => {
	let passed = 0;
	await holdsAsync(t, 5000, fc.asyncProperty(call, async (request) => {
		const bytes = message(request);
		if (!passesRequest(bytes)) return;
		passed++;
		const read = parseEngineCall(bytes.toString());
		equal(ruleFor(read), undefined);
		deepEqual(await authorizeRequest(deps, read), { Allow: true });
	}));
	t.true(passed > 100, `${passed} passed: too few to tell anything`);
});

test('an answer that passes unread is one that the authorizer does not look at', async (t) => {
	let passed = 0;
	await holdsAsync(t, 5000, fc.asyncProperty(call, fc.constantFrom(200, 201, 204, 404), async (request, ResponseStatusCode) => {
		const bytes = message({ ...request, ResponseStatusCode, ResponseBody: 'e30=' });
		if (!passesResponse(bytes)) return;
		passed++;
		const read = parseEngineCall(bytes.toString());
		ok(!isWatched(read));
		deepEqual(await authorizeResponse(deps, read), { Allow: true });
	}));
	t.true(passed > 100, `${passed} passed: too few to tell anything`);
});

for (const [method, uri] of [['GET', '/_ping'], ['HEAD', '/_ping'], ['GET', '/v1.41/containers/json?all=1&filters=%7B%7D'], ['GET', '/v1.41/containers/c1/json'], ['GET', '/version'], ['GET', '/info'], ['GET', '/images/json'], ['GET', '/events']] as const) {
	test(`${method} ${uri} passes unread, there and back`, (t) => {
		const request = { User: 'ci', UserAuthNMethod: 'TLS', RequestMethod: method, RequestUri: uri, RequestHeaders: { 'User-Agent': 'x' } };
		t.true(passesRequest(message(request)));
		t.true(passesResponse(message({ ...request, ResponseStatusCode: 200, ResponseBody: Buffer.alloc(60_000).toString('base64') })));
	});
}

test('a caller that the engine knows by a certificate passes unread', (t) => {
	t.true(passesRequest(message({ User: 'ci', UserAuthNMethod: 'TLS', RequestMethod: 'GET', RequestUri: '/_ping', RequestHeaders: { Accept: '*/*' }, RequestPeerCertificates: ['LS0t', 'LS0t'] })));
});

test('what has a body, or any header of which something may depend, is read', (t) => {
	const ping = { RequestMethod: 'GET', RequestUri: '/_ping', RequestHeaders: { 'User-Agent': 'x' } };
	t.true(passesRequest(message(ping)));
	t.false(passesRequest(message({ ...ping, RequestBody: 'e30=' })));
	t.false(passesRequest(message({ ...ping, RequestMethod: 'POST' })));
	for (const headers of [{ 'Content-Type': 'text/plain' }, { 'X-Registry-Auth': 'x' }, { 'Content-Length': '0' }, ownCalls.headers]) {
		t.false(passesRequest(message({ ...ping, RequestHeaders: { ...ping.RequestHeaders, ...headers } })));
	}
});

test('what does not begin as the engine writes it, or has no end, is read', (t) => {
	const whole = message({ RequestMethod: 'GET', RequestUri: '/_ping', RequestHeaders: { Accept: '*/*' } });
	t.true(passesRequest(whole));
	for (const text of ['', '{}', 'null', '{"RequestUri":"/_ping","RequestMethod":"GET"}', ' {"RequestMethod":"GET","RequestUri":"/_ping"}', '{"RequestMethod":"GET","RequestUri":""}', '{"RequestMethod":"GET","RequestUri":"/\\x"}', whole.toString().slice(0, -2)]) {
		t.false(passesRequest(Buffer.from(text)), text);
		t.false(passesResponse(Buffer.from(text)), text);
	}
	t.false(passesRequest(Buffer.concat([whole, whole])));
	t.false(passesRequest(message({ RequestMethod: 'GET', RequestUri: '/_ping?' + 'x'.repeat(20_000) })));
});
