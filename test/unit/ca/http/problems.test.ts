/** What goes wrong, as HTTP says it: status, code, problem document, and nothing more than that. */

import test from 'ava';
import { request as httpRequest } from 'node:http';
import { statSync } from 'node:fs';
import { BirthmarkError, ERROR_CODES, type ErrorCode } from '#common/protocol/errors.ts';
import { bundleDigest, createToken, formatToken } from '#common/protocol/token.ts';
import { createLogger } from '#common/runtime/log.ts';
import { healthRoutes } from '../../../../ca/http/health.ts';
import { problemOf } from '../../../../ca/http/problem.ts';
import { movableClock, newKey, startCa, type Answer, type RequestOptions, type TestCa } from '../../../support/ca.ts';

test('every code has a status and a sentence', (t) => {
	for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
		const problem = problemOf(new BirthmarkError(code, 'a sentence'));
		t.true(problem.status >= 400 && problem.status < 600, code);
		t.is(problem.type, `urn:birthmark:problem:${code}`);
		t.is(problem.detail, problem.status < 500 ? 'a sentence' : ERROR_CODES[code]);
	}
});

test('what was not expected says nothing about itself', (t) => {
	const problem = problemOf(new Error('the password is hunter2'));
	t.like(problem, { status: 500, code: 'internal' });
	t.notRegex(JSON.stringify(problem), /hunter2/);
});

const LARGE = 'x'.repeat(20_000);
const CASES: ReadonlyArray<readonly [name: string, status: number, code: ErrorCode, method: string, path: string, options?: RequestOptions]> = [
	['an unknown address', 404, 'not-found', 'GET', '/v2/roots'],
	['an address with a slash too many', 404, 'not-found', 'GET', '/v1/roots/'],
	['an address that cannot be decoded', 400, 'token-malformed', 'PUT', '/v1/sign/%zz', { body: 'x' }],
	['another method', 405, 'method-not-allowed', 'DELETE', '/v1/roots'],
	['a method nobody knows', 405, 'method-not-allowed', 'PROPFIND', '/v1/roots'],
	['no token', 401, 'unauthenticated', 'POST', '/v1/sign', { body: 'x' }],
	['another kind of authorization', 401, 'unauthenticated', 'POST', '/v1/sign', { headers: { authorization: 'Basic eDp5' } }],
	['a token that is none', 400, 'token-malformed', 'PUT', '/v1/sign/BMKTKN-1-abc', { body: 'x' }],
	['a join token where a container\'s is wanted', 400, 'token-malformed', 'POST', '/v1/sign', { headers: { authorization: `Bearer BMKJOIN-1-${'0'.repeat(50)}-${'0'.repeat(25)}` } }],
	['a token for another trust bundle', 404, 'token-unknown', 'PUT', `/v1/sign/BMKTKN-1-${'0'.repeat(50)}-${'0'.repeat(25)}`, { body: 'x' }],
	['JSON that is none', 400, 'request-malformed', 'POST', '/v1/join-tokens', { headers: { 'content-type': 'application/json' }, body: '{' }],
	['a key twice', 400, 'request-malformed', 'POST', '/v1/join-tokens', { headers: { 'content-type': 'application/json' }, body: '{"role":"operator","role":"node"}' }],
	['a key twice, once with an escape', 400, 'request-malformed', 'POST', '/v1/join-tokens', { headers: { 'content-type': 'application/json' }, body: '{"role":"node","rol\\u0065":"node"}' }],
	['bytes that are no UTF-8', 400, 'request-malformed', 'POST', '/v1/join-tokens', { headers: { 'content-type': 'application/json' }, body: Buffer.from('7b22ff227d', 'hex') }],
	['another content type', 400, 'request-malformed', 'POST', '/v1/join-tokens', { headers: { 'content-type': 'text/plain' }, body: '{"role":"node"}' }],
	['an unknown key', 400, 'request-malformed', 'POST', '/v1/join-tokens', { body: { role: 'node', surprise: 1 } }],
	['JSON beyond the limit', 413, 'request-too-large', 'POST', '/v1/join-tokens', { body: { role: 'node', name: LARGE } }],
];
for (const [name, status, code, method, path, options] of CASES) {
	test(`${name} is answered ${status} ${code}`, async (t) => {
		const ca = await startCa(t);
		const isAdmin = path === '/v1/join-tokens';
		const credentials = isAdmin ? await ca.join('alice', [], 'operator') : undefined;
		const answer = await ca.request(method, path, { ...options, ...(credentials && { credentials }) });
		t.is(answer.status, status, answer.text);
		t.is(answer.headers['content-type'], 'application/problem+json');
		const problem = answer.json();
		t.like(problem, { status, code, type: `urn:birthmark:problem:${code}`, title: ERROR_CODES[code] });
		t.truthy(problem['detail']);
	});
}

test('every fault of a request is told, with its path', async (t) => {
	const ca = await startCa(t);
	const { detail } = (await ca.admin('POST', '/v1/join-tokens', { role: 'king', ttlSeconds: 0 })).json<{ detail: string }>();
	t.regex(detail, /"role": .*; "ttlSeconds": /);
});

test('another method is answered with those that there are', async (t) => {
	const ca = await startCa(t);
	t.is((await ca.request('POST', '/v1/roots')).headers.allow, 'HEAD, GET');
});

async function withToken(ca: TestCa): Promise<(body: string | Buffer) => Promise<Answer>> {
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const token = await ca.mint(node, id);
	return (body) => ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body });
}

test('a request beyond the limit is refused however it is sent, and the token is good afterwards', async (t) => {
	const ca = await startCa(t);
	const sign = await withToken(ca);
	for (const size of [8193, 1_000_000]) {
		const answer = await sign(Buffer.alloc(size, 'x'));
		t.is(answer.status, 413);
		t.is(answer.json()['code'], 'request-too-large');
	}
	const chunked = await new Promise<number>((resolve, reject) => {
		const call = httpRequest({ socketPath: ca.adminSocket, method: 'PUT', path: `/v1/sign/${formatToken(createToken('container', Buffer.alloc(32)))}`, agent: false }, (response) => {
			response.resume();
			resolve(response.statusCode!);
		});
		call.once('error', reject);
		call.write(Buffer.alloc(6000));
		call.end(Buffer.alloc(6000));
	});
	t.is(chunked, 413);
	t.is((await sign(newKey().csr())).status, 200);
});

test('an unknown token of this CA is unknown, a bad request with it too: nothing can be learnt by trying', async (t) => {
	const ca = await startCa(t);
	const token = formatToken(createToken('container', bundleDigest(ca.bundle)));
	t.is((await ca.request('PUT', `/v1/sign/${token}`, { body: 'garbage' })).json()['code'], 'token-unknown');
});

test('the admin socket is for its owner only', async (t) => {
	const ca = await startCa(t);
	t.is(statSync(ca.adminSocket).mode & 0o777, 0o600);
	t.like((await ca.admin('GET', '/v1/whoami')).json(), { role: 'operator', name: 'local' });
});

test('readiness is that of the store, health that of the process', async (t) => {
	const ca = await startCa(t);
	t.is((await ca.request('GET', '/readyz')).status, 200);
	t.is((await ca.request('GET', '/healthz')).status, 200);
	const clock = movableClock();
	let checks = 0;
	const broken = { check: () => (checks++, Promise.reject(new Error('disk I/O error'))) };
	const [healthz, readyz] = healthRoutes({ store: broken, clock });
	t.like(await healthz!.handle({} as never), { status: 200 });
	for (let call = 0; call < 3; call++) t.like(await t.throwsAsync(readyz!.handle({} as never)), { code: 'ca-unavailable' });
	t.is(checks, 1);
	clock.advance(1);
	t.like(await t.throwsAsync(readyz!.handle({} as never)), { code: 'ca-unavailable' });
	t.is(checks, 2);
});

test('no log line holds a token, a key, a request or a path that could', async (t) => {
	const lines: string[] = [];
	const ca = await startCa(t, { logger: createLogger('ca', 'debug', (line) => lines.push(line)) });
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	await ca.request('PUT', `/v1/sign/${web.token}`, { body: web.keyPair.csr() });
	await ca.request('PUT', `/v1/sign/${web.token}`, { body: 'garbage' });
	await ca.request('GET', `/v1/nothing/${web.token}?token=${web.token}`);
	await ca.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() });
	const log = lines.join('\n');
	t.regex(log, /"route":"\/v1\/sign\/:token"/);
	t.regex(log, /"message":"issued"/);
	t.notRegex(log, /BMKTKN|BMKJOIN|PRIVATE KEY|CERTIFICATE|nothing/);
	t.false(log.includes(web.token.slice(-25)));
});

test('answers with credentials are not to be kept by anybody', async (t) => {
	const ca = await startCa(t);
	t.is((await ca.admin('POST', '/v1/join-tokens', { role: 'node' })).headers['cache-control'], 'no-store');
	const sign = await withToken(ca);
	t.is((await sign(newKey().csr())).headers['cache-control'], 'no-store');
});
