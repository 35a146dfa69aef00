/** Every route, whatever it is sent: a body is understood strictly or refused, and never a fault of the CA. */

import test from 'ava';
import { equal, match, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { z } from 'zod';
import { isErrorCode } from '#common/protocol/errors.ts';
import { createLogger, silentLogger } from '#common/runtime/log.ts';
import { createRoutes, type RoutesDeps } from '../../../../ca/http/routes.ts';
import type { Route } from '../../../../ca/http/route.ts';
import { newKey, startCa, type Answer } from '../../../support/ca.ts';
import { fromSchema, type JsonSchema } from '../../../support/json-schema.ts';
import { holds, holdsAsync } from '../../../support/property.ts';

const ROUTES = createRoutes({ logger: silentLogger } as unknown as RoutesDeps);
/** As a counterexample a route is its title, not its schemas. */
const SHOWN: readonly (Route & { readonly [fc.toStringMethod]: () => string })[] = ROUTES.map((route) => ({ ...route, [fc.toStringMethod]: () => `${route.method} ${route.path}` }));
/** Every body that is checked against a schema, with a title. */
const BODIES: readonly (readonly [title: string, schema: z.ZodType])[] = ROUTES.flatMap(({ method, path, description: { body } }) => {
	if (!body || !('schema' in body)) return [];
	const title = `${method} ${path}`;
	return [[title, body.schema] as const, ...(body.form ? [[`${title} as a form`, body.form] as const] : [])];
});

function jsonSchema(schema: z.ZodType): JsonSchema {
	return z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
}

/** Every object in the value, the outermost first. */
function objectsIn(value: unknown): Record<string, unknown>[] {
	if (typeof value !== 'object' || value === null) return [];
	return [...(Array.isArray(value) ? [] : [value as Record<string, unknown>]), ...Object.values(value).flatMap(objectsIn)];
}

for (const [title, schema] of BODIES) {
	test(`${title} refuses a body with a key that it does not know, and takes no body for another`, (t) => {
		const right = fromSchema(jsonSchema(schema)).filter((value) => schema.safeParse(value).success);
		holds(t, 100, fc.property(right, fc.string({ minLength: 1 }), fc.jsonValue(), fc.nat(), (value, key, more, index) => {
			const changed = structuredClone(value);
			const objects = objectsIn(changed);
			const target = objects[index % objects.length]!;
			// Keys of a map are data, not names of fields.
			fc.pre(!Object.hasOwn(target, key) && key !== '__proto__' && target === objects[0]);
			target[key] = more;
			ok(!schema.safeParse(changed).success, key);
		}));
		holds(t, 200, fc.property(fc.oneof(fc.jsonValue(), fromSchema(jsonSchema(schema), 2)), (value) => {
			const result = schema.safeParse(value);
			if (!result.success) return;
			// Nothing is made up: whatever is understood stood there.
			ok(Object.keys(result.data as object).every((key) => Object.hasOwn(value as object, key)));
		}));
	});
}

test('whatever is sent to whatever route, in whatever role, is answered, and never with a fault of the CA', async (t) => {
	const failures: string[] = [];
	const logger = createLogger('ca', 'error', (line: string) => void failures.push(line));
	// So much that is bad would be shut out after a while, and then it would only show that.
	const ca = await startCa(t, { logger, config: { blackhole: { failures: 1000, addressFailures: 100_000 } } });
	const callers = { node: await ca.join('host1'), operator: await ca.join('alice', [], 'operator'), workload: await ca.enrol(await ca.join('host2'), 'web01', 'web'), anonymous: undefined };
	const caller = fc.constantFrom(...(['node', 'operator', 'workload', 'anonymous'] as const));
	const segment = fc.oneof(fc.string({ maxLength: 40 }), fc.stringMatching(/^[0-9a-f]{32}$/), fc.constantFrom('host1', 'web01', '..', '%', '\0', 'BMKTKN-1-x')).map(encodeURIComponent);
	const key = newKey();
	// Who may start a rotation may have the root replaced under our feet: see the next test.
	const call = fc.constantFrom(...SHOWN.filter((route) => !isRotation(route))).chain((route) => fc.record({
		route: fc.constant(route),
		as: caller,
		segments: fc.array(segment, { minLength: 3, maxLength: 3 }),
		query: fc.oneof(fc.constant(''), fc.webQueryParameters(), fc.constantFrom('all=1', 'limit=-1', 'after=x', 'limit=99999999999999999999')),
		body: bodyFor(route, key.csr()),
		contentType: fc.constantFrom('application/json', 'application/json', 'application/json', 'application/pkcs10', 'application/x-www-form-urlencoded', 'text/plain', ''),
		authorization: fc.constantFrom('', '', 'Bearer x', 'Basic eDp5', `Bearer BMKTKN-1-${'0'.repeat(50)}-${'0'.repeat(25)}`, `Bearer BMKJOIN-1-${'0'.repeat(50)}-${'0'.repeat(25)}`, 'Bearer a.b.c', 'Bearer eyJhbGciOiJub25lIn0.e30.'),
	}));
	await holdsAsync(t, 400, fc.asyncProperty(call, async ({ route, as, segments, query, body, contentType, authorization }) => {
		let at = 0;
		const path = route.path.replace(/:\w+/g, () => segments[at++]! || 'x') + (query && `?${query}`);
		const headers = { ...(contentType && { 'content-type': contentType }), ...(authorization && { authorization }) };
		const credentials = callers[as];
		const answer = await ca.request(route.method, path, { headers, ...(credentials && { credentials }), ...(route.method !== 'GET' && { body }) });
		checkAnswer(answer, `${as}: ${route.method} ${path}`, route);
	}));
	t.deepEqual(failures, []);
});

test('whatever an operator sends about a rotation is answered, and never with a fault of the CA', async (t) => {
	const failures: string[] = [];
	const logger = createLogger('ca', 'error', (line: string) => void failures.push(line));
	const ca = await startCa(t, { logger });
	const call = fc.constantFrom(...SHOWN.filter(isRotation)).chain((route) => fc.record({ route: fc.constant(route), body: bodyFor(route, newKey().csr()) }));
	await holdsAsync(t, 60, fc.asyncProperty(call, async ({ route, body }) => {
		const { method, path } = route;
		checkAnswer(await ca.request(method, path, { overAdminSocket: true, headers: { 'content-type': 'application/json' }, ...(method !== 'GET' && { body }) }), `${method} ${path}`, route);
	}));
	t.deepEqual(failures, []);
});

function isRotation({ path }: Route): boolean {
	return path.startsWith('/v1/rotation');
}

test('a form with a field that is there twice is refused, whatever the field', async (t) => {
	const ca = await startCa(t);
	const credentials = await ca.join('host1');
	const right = { cn: 'web01', token: 'qL8Zr3vY0bT5nW7cX2dK9m' };
	const twice = fc.tuple(fc.constantFrom('cn', 'token', 'ou', 'ttl'), fc.string(), fc.boolean());
	await holdsAsync(t, 20, fc.asyncProperty(twice, async ([name, value, isFirst]) => {
		const fields = [...Object.entries({ ou: 'web', ttl: '60', ...right })];
		fields.splice(isFirst ? 0 : fields.length, 0, [name, value]);
		const answer = await ca.request('POST', '/v1/authorize', { credentials, headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(fields).toString() });
		equal(answer.json()['code'], 'request-malformed', answer.text);
	}));
});

/** Junk, what a schema asks for, something in between, a form, or a certificate signing request. */
function bodyFor({ description: { body } }: Route, csr: string): fc.Arbitrary<Buffer> {
	const shaped = (schema: z.ZodType) => [fromSchema(jsonSchema(schema)), fromSchema(jsonSchema(schema), 2)];
	const json = body && 'schema' in body ? shaped(body.schema).map((values) => values.map((value) => JSON.stringify(value))) : [];
	const form = body && 'schema' in body && body.form ? shaped(body.form).map((values) => values.map(formOf)) : [];
	const own = [...json, ...form];
	return fc.oneof(...own, ...own, fc.json(), fc.string({ unit: 'binary' }), fc.constant(csr), fc.webQueryParameters()).map((text) => Buffer.from(text)).chain((text) => fc.oneof(
		{ weight: 9, arbitrary: fc.constant(text) },
		{ weight: 1, arbitrary: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.concat([text, bytes])) },
	));
}

function formOf(value: unknown): string {
	return new URLSearchParams(Object.entries(Object(value) as object).map(([name, field]) => [name, typeof field === 'string' ? field : JSON.stringify(field)])).toString();
}

function checkAnswer({ status, headers, text }: Answer, call: string, { refuse }: Route): void {
	ok(status >= 200 && status < 500, `${call} was answered ${status}: ${text}`);
	if (status < 400) return;
	if (refuse) return match(text, /^\{"success":false,"result":null,"errors":\[\{"code":\d+,"message":/, call);
	equal(headers['content-type'], 'application/problem+json', call);
	const { code, status: said } = JSON.parse(text) as { code: unknown; status: number };
	ok(isErrorCode(code), call);
	equal(said, status);
	match(text, /^\{.*\}$/s);
}
