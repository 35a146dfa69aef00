/**
 * `GET /v1/openapi.json`: the API as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1),
 * made from the table of routes, so that it cannot say anything else than what is served.
 */

import { z } from 'zod';
import { BirthmarkError, ERROR_CODES, type ErrorCode } from '#common/protocol/errors.ts';
import { PROBLEM_CONTENT_TYPE } from '#common/protocol/problem.ts';
import { VERSION } from '#common/protocol/version.ts';
import { problemAnswer } from './answers.ts';
import type { AnswerDescription, BodyDescription, Description } from './description.ts';
import { FORM_CONTENT_TYPE } from './body.ts';
import { problemOf } from './problem.ts';
import type { Route } from './route.ts';

/** `:name` for a segment, `*name` for all the rest, which OpenAPI has no other word for. */
const PARAMETER = /[:*](\w+)/g;

type Json = Readonly<Record<string, unknown>>;

const SECURITY_SCHEMES = {
	certificate: { type: 'mutualTLS', description: 'a client certificate of this CA; its role is looked up at every request' },
	container: { type: 'http', scheme: 'bearer', bearerFormat: 'BMKTKN-1-<digest>-<secret>', description: 'the one-time token of a container\'s start' },
	join: { type: 'http', scheme: 'bearer', bearerFormat: 'BMKJOIN-1-<digest>-<secret>', description: 'the one-time token with which nodes and operators join' },
	user: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'a token that a user signed' },
};

export function openApiRoute(others: readonly Route[]): Route {
	const route: Route = {
		method: 'GET',
		path: '/v1/openapi.json',
		roles: ['anonymous'],
		description: { summary: 'this document', answers: { 200: { summary: 'OpenAPI 3.1', contentType: 'application/json' } } },
		handle: async () => ({ status: 200, body: text ??= JSON.stringify(openApiDocument([...others, route])) }),
	};
	let text: string | undefined;
	return route;
}

/** @throws Error when a schema has no equivalent in JSON Schema 2020-12 */
export function openApiDocument(routes: readonly Route[]): Json {
	const paths: Record<string, Record<string, Json>> = {};
	for (const route of routes) (paths[route.path.replace(PARAMETER, '{$1}')] ??= {})[route.method.toLowerCase()] = operation(route);
	return {
		openapi: '3.1.1',
		info: { title: 'Birthmark CA', version: VERSION, summary: 'certificates for containers at the moment they are born', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
		// Relative to where the document came from (OpenAPI §4.5.1).
		servers: [{ url: '/' }],
		paths,
		components: { schemas: { Problem: jsonSchema(problemAnswer) }, securitySchemes: SECURITY_SCHEMES },
	};
}

function operation({ method, path, roles, description }: Route): Json {
	const { summary, bearer, query = {}, body, answers } = description;
	const parameters = [
		...[...path.matchAll(PARAMETER)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
		...Object.entries(query).map(([name, what]) => ({ name, in: 'query', description: what, schema: { type: 'string' } })),
	];
	return {
		operationId: `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
		summary,
		'x-roles': roles,
		security: bearer ? [{ [bearer]: [] }] : roles.flatMap((role) => (role === 'anonymous' ? [] : [{ certificate: [role] }])),
		...(parameters.length > 0 && { parameters }),
		...(body && { requestBody: { required: true, content: requestContent(body) } }),
		responses: {
			...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)])),
			...refusals(errorsOf(description, roles), description.refusal),
		},
	};
}

function requestContent(body: BodyDescription): Json {
	if ('schema' in body) return { 'application/json': { schema: jsonSchema(body.schema) }, ...(body.form && { [FORM_CONTENT_TYPE]: { schema: jsonSchema(body.form) } }) };
	// Binary data has an empty schema (OpenAPI §4.8.14.3); how large it may be no keyword says.
	return Object.fromEntries(body.contentTypes.map((contentType) => [contentType, { schema: {}, 'x-max-bytes': body.maxBytes }]));
}

function response({ summary, schema, contentType }: AnswerDescription): Json {
	if (schema) return { description: summary, content: { 'application/json': { schema: jsonSchema(schema) } } };
	return { description: summary, ...(contentType !== undefined && { content: { [contentType]: { schema: {} } } }) };
}

/** What follows from the kind of route, and what the route itself says. */
function errorsOf({ bearer, query, body, errors = [] }: Description, roles: Route['roles']): ReadonlySet<ErrorCode> {
	const isOpen = roles.includes('anonymous');
	const takesToken = errors.includes('token-unknown');
	return new Set<ErrorCode>([
		...(body || query ? ['request-malformed'] as const : []),
		...(body ? ['request-too-large'] as const : []),
		...(isOpen ? [] : ['unauthenticated', 'identity-expired', 'certificate-revoked', 'forbidden'] as const),
		...(bearer ? ['unauthenticated'] as const : []),
		...(isOpen && !takesToken ? [] : ['source-shut-out'] as const),
		...errors,
		'ca-unavailable',
		'internal',
	]);
}

function refusals(codes: ReadonlySet<ErrorCode>, own?: z.ZodType): Json {
	const byStatus = Map.groupBy(codes, (code) => problemOf(new BirthmarkError(code)).status);
	const content = own ? { 'application/json': { schema: jsonSchema(own) } } : { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } };
	return Object.fromEntries([...byStatus].map(([status, some]) => [status, {
		description: some.map((code) => `\`${code}\`: ${ERROR_CODES[code]}`).join('; '),
		content,
	}]));
}

/** What is sent, not what comes out of the check: the API promises nothing about its inside. */
function jsonSchema(schema: z.ZodType): Json {
	const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' });
	return rest;
}
