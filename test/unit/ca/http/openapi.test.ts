/** The OpenAPI document: well-formed by the rules of OpenAPI 3.1, and about the very routes that are served. */

import test from 'ava';
import { z } from 'zod';
import { openApiDocument } from '../../../../ca/http/openapi.ts';
import { createRoutes, type RoutesDeps } from '../../../../ca/http/routes.ts';
import type { Route } from '../../../../ca/http/route.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { newKey, startCa, type Answer } from '../../../support/ca.ts';

const ROUTES = createRoutes({ logger: silentLogger } as unknown as RoutesDeps);

const SCHEMA_KEYWORDS = [
	'$ref', 'type', 'properties', 'required', 'additionalProperties', 'items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems', 'minLength', 'maxLength',
	'pattern', 'format', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', 'not',
	'default', 'description', 'title', 'propertyNames', 'contentEncoding',
];
/** JSON Schema 2020-12 as far as it is used; a keyword that is misspelt would silently mean nothing. */
const jsonSchema: z.ZodType = z.lazy(() => z.union([z.boolean(), z.looseObject({
	type: z.enum(['object', 'array', 'string', 'integer', 'number', 'boolean', 'null']).optional(),
	properties: z.record(z.string(), jsonSchema).optional(),
	required: z.array(z.string()).optional(),
	items: jsonSchema.optional(),
	additionalProperties: jsonSchema.optional(),
	anyOf: z.array(jsonSchema).optional(),
}).refine((value) => Object.keys(value).every((key) => SCHEMA_KEYWORDS.includes(key)), 'has an unknown keyword')]));
const content = z.record(z.string().regex(/^[a-z]+\/[a-z0-9.+-]+(; [a-z]+=[a-z0-9.-]+)*$/), z.strictObject({ 'schema': jsonSchema, 'x-max-bytes': z.int().optional() }));
/** The essential shape of OpenAPI 3.1.1 §4.8; strict, because an unknown fixed field is an error there. */
const operation = z.strictObject({
	'operationId': z.string().regex(/^[a-z][A-Za-z0-9]+$/),
	'summary': z.string().min(5),
	'x-roles': z.array(z.enum(['anonymous', 'external', 'workload', 'node', 'operator'])).min(1),
	'security': z.array(z.record(z.string(), z.array(z.string()))),
	'parameters': z.array(z.strictObject({
		name: z.string(), in: z.enum(['path', 'query']), required: z.boolean().optional(), description: z.string().optional(), schema: jsonSchema,
	})).optional(),
	'requestBody': z.strictObject({ required: z.literal(true), content }).optional(),
	'responses': z.record(z.string().regex(/^[1-5]\d\d$/), z.strictObject({ description: z.string().min(1), content: content.optional() })),
});
const document = z.strictObject({
	openapi: z.string().regex(/^3\.1\.\d+$/),
	info: z.strictObject({ title: z.string(), version: z.string(), summary: z.string(), license: z.strictObject({ name: z.string(), identifier: z.string() }) }),
	servers: z.array(z.strictObject({ url: z.string() })),
	paths: z.record(z.string().startsWith('/'), z.partialRecord(z.enum(['get', 'put', 'post', 'delete', 'patch']), operation)),
	components: z.strictObject({
		schemas: z.record(z.string().regex(/^[a-zA-Z0-9._-]+$/), jsonSchema),
		securitySchemes: z.record(z.string(), z.discriminatedUnion('type', [
			z.strictObject({ type: z.literal('mutualTLS'), description: z.string() }),
			z.strictObject({ type: z.literal('http'), scheme: z.literal('bearer'), bearerFormat: z.string(), description: z.string() }),
		])),
	}),
});
type Document = z.output<typeof document>;
type Operation = z.output<typeof operation>;

function operations({ paths }: Document): { title: string; path: string; operation: Operation }[] {
	return Object.entries(paths).flatMap(([path, item]) => Object.entries(item).map(([method, each]) => ({
		title: `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`, path, operation: each as Operation,
	})));
}

test('the document that is served has the shape of OpenAPI 3.1', async (t) => {
	const ca = await startCa(t);
	const answer = await ca.request('GET', '/v1/openapi.json');
	t.is(answer.status, 200);
	t.is(answer.headers['content-type'], 'application/json');
	const parsed = document.safeParse(answer.json());
	t.true(parsed.success, parsed.error && z.prettifyError(parsed.error));
	t.deepEqual(answer.json(), JSON.parse(JSON.stringify(openApiDocument(ROUTES))) as Record<string, unknown>);
});

const DOCUMENT = document.parse(JSON.parse(JSON.stringify(openApiDocument(ROUTES))));

/** OpenAPI has one kind of parameter in a path. */
function titleOf({ method, path }: Pick<Route, 'method' | 'path'>): string {
	return `${method} ${path.replace('*', ':')}`;
}

test('it has every route with its roles, and no other', (t) => {
	t.deepEqual(operations(DOCUMENT).map(({ title }) => title).sort(), ROUTES.map(titleOf).sort());
	for (const { title, operation } of operations(DOCUMENT)) {
		const { roles } = ROUTES.find((route) => titleOf(route) === title)!;
		t.deepEqual(operation['x-roles'], [...roles], title);
		const named = operation.security.flatMap((alternative) => alternative['certificate'] ?? []);
		t.deepEqual(named, roles.filter((role) => role !== 'anonymous'), title);
	}
});

test('operations have ids of their own, and every parameter of a path is declared', (t) => {
	const all = operations(DOCUMENT);
	t.is(new Set(all.map(({ operation }) => operation.operationId)).size, all.length);
	for (const { title, path, operation } of all) {
		const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
		t.deepEqual(inPath.map(({ name }) => name), [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!), title);
		t.true(inPath.every(({ required }) => required === true), title);
		t.true(Object.keys(operation.responses).some((status) => status < '400'), title);
	}
});

test('whatever is referred to exists', (t) => {
	for (const [, name] of JSON.stringify(DOCUMENT).matchAll(/"\$ref":"([^"]+)"/g)) {
		const found = name!.split('/').slice(1).reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], DOCUMENT);
		t.truthy(found, name);
	}
	for (const { title, operation } of operations(DOCUMENT)) {
		for (const scheme of operation.security.flatMap((item) => Object.keys(item))) t.true(scheme in DOCUMENT.components.securitySchemes, title);
	}
});

test('answers are as they are described', async (t) => {
	const ca = await startCa(t);
	const check = async (title: string, pending: Promise<Answer>): Promise<Answer> => {
		const answer = await pending;
		const { description } = ROUTES.find((route) => titleOf(route) === title)!;
		const described: Route['description']['answers'][number] | undefined = description.answers[answer.status];
		t.truthy(described, `${title}: ${answer.status} ${answer.text}`);
		if (described?.schema) {
			const result = strict(described.schema).safeParse(answer.json());
			t.true(result.success, result.error && `${title}: ${z.prettifyError(result.error)}`);
		} else {
			t.is(answer.headers['content-type'], described?.contentType, title);
		}
		return answer;
	};
	for (const path of ['/healthz', '/readyz', '/v1/roots', '/v1/crl', '/v1/crl.pem', '/v1/openapi.json', '/v1/audit', '/v1/metrics', '/v1/whoami', '/v1/nodes', '/v1/identities']) {
		await check(`GET ${path}`, ca.admin('GET', path));
	}
	const tag = (await ca.request('GET', '/v1/crl')).headers.etag!;
	await check('GET /v1/crl', ca.request('GET', '/v1/crl', { headers: { 'if-none-match': tag } }));
	const key = newKey();
	const joinToken = (await check('POST /v1/join-tokens', ca.admin('POST', '/v1/join-tokens', { role: 'node', name: 'host1', allow: ['*/*'] }))).json<{ token: string }>().token;
	const joined = await check('POST /v1/join', ca.request('POST', '/v1/join', { headers: { authorization: `Bearer ${joinToken}` }, body: { csr: key.csr() } }));
	const node = { key: key.pem, cert: joined.json<{ certificate: string }>().certificate };
	const names = { commonName: 'web01', organizationalUnit: 'web', dnsNames: ['web.test'], image: 'test:1' };
	await check('POST /v1/authorize', ca.request('POST', '/v1/authorize', { credentials: node, body: { ...names, dryRun: true } }));
	const authorized = await check('POST /v1/authorize', ca.request('POST', '/v1/authorize', { credentials: node, body: { ...names, containerId: 'a'.repeat(64) } }));
	const { id } = authorized.json<{ id: string }>();
	const minted = await check('POST /v1/authorizations/:id/tokens', ca.request('POST', `/v1/authorizations/${id}/tokens`, { credentials: node, body: { startId: '1' } }));
	const { token } = minted.json<{ token: string }>();
	const workload = newKey();
	const signed = await check('POST /v1/sign', ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body: workload.csr() }));
	await check('PUT /v1/sign/:token', ca.request('PUT', `/v1/sign/${token}`, { body: workload.csr() }));
	await check('POST /v1/renew', ca.request('POST', '/v1/renew', { credentials: { key: workload.pem, cert: signed.text }, body: newKey().csr() }));
	await check('POST /v1/revoke', ca.admin('POST', '/v1/revoke', { commonName: 'web01' }));
	await check('GET /v1/identities/:serialOrName', ca.admin('GET', '/v1/identities/web01'));
	await check('PATCH /v1/nodes/:name', ca.admin('PATCH', '/v1/nodes/host1', { allow: [] }));
	await check('DELETE /v1/authorizations/:id', ca.admin('DELETE', `/v1/authorizations/${id}`));
	await check('DELETE /v1/nodes/:name', ca.admin('DELETE', '/v1/nodes/host1'));
});

test('refusals are as they are described', async (t) => {
	const ca = await startCa(t, { config: { blackhole: { addressFailures: 8, shutOutSeconds: 600 } } });
	const seen: string[] = [];
	const check = async (title: string, pending: Promise<Answer>): Promise<void> => {
		const answer = await pending;
		const { operation } = operations(DOCUMENT).find((each) => each.title === title)!;
		const described = operation.responses[answer.status];
		const isCfssl = title.includes('cfssl');
		const code = isCfssl ? /\[([a-z-]+)\]$/.exec(answer.json<{ errors: { message: string }[] }>().errors[0]!.message)![1]! : String(answer.json()['code']);
		t.true(described?.description.includes(`\`${code}\``), `${title}: ${answer.status} ${answer.text}`);
		t.deepEqual(Object.keys(described?.content ?? {}), [answer.headers['content-type']!], title);
		seen.push(code);
	};
	const node = await ca.join('host1', ['web*/web']);
	const web = await ca.enrol(node, 'web01', 'web');
	const names = { commonName: 'db01', organizationalUnit: 'db', dnsNames: [], image: 'x', containerId: 'a'.repeat(64) };
	const otherToken = await ca.joinToken({ role: 'operator', name: 'ada' });
	const bearer = { authorization: `Bearer ${otherToken}` };
	await check('POST /v1/join', ca.request('POST', '/v1/join', { headers: bearer, body: { csr: newKey().csr(), role: 'node' } }));
	await check('POST /v1/join', ca.request('POST', '/v1/join', { body: { csr: newKey().csr() } }));
	await check('POST /v1/sign', ca.request('POST', '/v1/sign', { body: newKey().csr() }));
	await check('POST /v1/csr', ca.request('POST', '/v1/csr', { body: newKey().csr() }));
	await check('POST /v1/sign', ca.sign(web.token, newKey()));
	await check('POST /v1/authorize', ca.request('POST', '/v1/authorize', { credentials: node, body: names }));
	await check('POST /v1/authorize', ca.request('POST', '/v1/authorize', { credentials: node, body: {} }));
	await check('GET /v1/audit', ca.admin('GET', '/v1/audit?limit=x'));
	await check('GET /v1/identities', ca.admin('GET', '/v1/identities?limit=x'));
	await check('GET /v1/nodes', ca.request('GET', '/v1/nodes', { credentials: node }));
	await check('POST /api/v1/cfssl/sign', ca.request('POST', '/api/v1/cfssl/sign', { credentials: node, body: {} }));
	await check('POST /api/v1/cfssl/info', ca.request('POST', '/api/v1/cfssl/info', { body: { surprise: true } }));
	for (let attempt = 0; attempt < 8; attempt++) await ca.request('PUT', '/v1/sign/x', { body: 'x' });
	await check('PUT /v1/sign/:token', ca.request('PUT', '/v1/sign/x', { body: 'x' }));
	await check('POST /v1/csr', ca.request('POST', '/v1/csr', { headers: { 'x-auth-token': 'x' }, body: 'x' }));
	await check('GET /v1/nodes', ca.request('GET', '/v1/nodes'));
	t.deepEqual(new Set(seen), new Set(['token-wrong-name', 'unauthenticated', 'token-used', 'name-not-allowed', 'request-malformed', 'forbidden', 'source-shut-out']));
});

/** The schema without room for what it does not mention, so that a field nobody described is found. */
function strict(schema: z.ZodType): z.ZodType {
	if (schema instanceof z.ZodObject) return schema.strict();
	return schema;
}
