/** The table of routes: closed by default, and the roles are those that docs/api.md promises. */

import test from 'ava';
import { createApp, type AppDeps } from '../../../../ca/http/app.ts';
import { createRoutes, type RoutesDeps } from '../../../../ca/http/routes.ts';
import type { Route } from '../../../../ca/http/route.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { startCa, type Credentials } from '../../../support/ca.ts';

/** Making the table touches no dependency. */
const ROUTES = createRoutes({ logger: silentLogger } as unknown as RoutesDeps);

const PROMISED: Readonly<Record<string, readonly string[]>> = {
	'GET /healthz': ['anonymous'],
	'GET /readyz': ['anonymous'],
	'GET /v1/roots': ['anonymous'],
	'GET /v1/crl': ['anonymous'],
	'GET /v1/crl.pem': ['anonymous'],
	'GET /v1/crl/:partition': ['anonymous'],
	'POST /v1/ocsp': ['anonymous'],
	'GET /v1/ocsp/*request': ['anonymous'],
	'GET /v1/issuers/:generation': ['anonymous'],
	'GET /v1/issuers/:generation/root': ['anonymous'],
	'GET /v1/issuers/:generation/crl': ['anonymous'],
	'POST /v1/bundle/acknowledge': ['workload', 'node', 'operator'],
	'GET /v1/rotation': ['operator'],
	'POST /v1/rotation': ['operator'],
	'POST /v1/rotation/activate': ['operator'],
	'POST /v1/rotation/abort': ['operator'],
	'POST /v1/rotation/finish': ['operator'],
	'POST /v1/join': ['anonymous'],
	'POST /v1/sign': ['anonymous'],
	'PUT /v1/sign/:token': ['anonymous'],
	'POST /v1/authorize': ['node'],
	'POST /v1/authorizations/:id/tokens': ['node'],
	'DELETE /v1/authorizations/:id': ['node', 'operator'],
	'POST /v1/renew': ['workload', 'node', 'operator'],
	'POST /v1/reloads': ['workload'],
	'POST /v1/revoke': ['operator', 'node'],
	'POST /v1/revocations': ['operator', 'node'],
	'POST /v1/renewal-demands': ['operator'],
	'GET /v1/renewal-demands': ['node'],
	'GET /v1/renewal-demands/:number': ['operator'],
	'POST /v1/renewal-demands/:number/revocation': ['operator'],
	'GET /v1/identities': ['operator', 'node'],
	'GET /v1/identities/:serialOrName': ['operator', 'node'],
	'POST /v1/join-tokens': ['operator'],
	'GET /v1/nodes': ['operator'],
	'PATCH /v1/nodes/:name': ['operator'],
	'DELETE /v1/nodes/:name': ['operator'],
	'GET /v1/hash': ['anonymous'],
	'GET /v1/cert': ['anonymous'],
	'POST /v1/csr': ['anonymous'],
	'GET /v1/users': ['operator'],
	'POST /v1/users': ['operator'],
	'PATCH /v1/users/:name': ['operator'],
	'DELETE /v1/users/:name': ['operator'],
	'POST /api/v1/cfssl/sign': ['external', 'workload', 'node', 'operator'],
	'POST /api/v1/cfssl/info': ['anonymous'],
	'GET /v1/whoami': ['workload', 'node', 'operator'],
	'GET /v1/audit': ['operator'],
	'GET /v1/metrics': ['operator'],
	'GET /v1/openapi.json': ['anonymous'],
};

/** Whoever calls these passes on what others made, and must not be shut out for it. */
const FORWARDS_CSRS: readonly string[] = ['POST /api/v1/cfssl/sign'];

test('every route says who may call it, and no route exists that was not promised', (t) => {
	t.deepEqual(Object.fromEntries(ROUTES.map(({ method, path, roles }) => [`${method} ${path}`, roles])), PROMISED as never);
	t.is(ROUTES.length, Object.keys(PROMISED).length);
});

test('a route that does not say so is not served', (t) => {
	const open: Route = { method: 'GET', path: '/open', roles: [] as never, description: { summary: '', answers: {} }, handle: async () => ({ status: 200 }) };
	const authenticate = async () => ({ role: 'operator', name: 'local' }) as const;
	t.throws(() => createApp({ routes: [open], authenticate, logger: silentLogger } as unknown as AppDeps), { message: /does not say who may call it/ });
});

test('who brings a CSR of its own making answers for it: by its certificate or by the token that it presents', (t) => {
	for (const { method, path, roles, isGuarded, description } of ROUTES) {
		const title = `${method} ${path}`;
		if (!description.errors?.includes('csr-malformed')) t.not(isGuarded, true, title);
		else if (roles.includes('anonymous')) t.true(description.bearer !== undefined || path.endsWith('/:token') || path === '/v1/csr', title);
		else t.true(isGuarded === true || FORWARDS_CSRS.includes(title), title);
	}
});

test('each route admits its roles and refuses all others', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const callers: Readonly<Record<string, Credentials | undefined>> = {
		anonymous: undefined,
		workload: await ca.enrol(node, 'web01', 'web'),
		operator: await ca.join('alice', [], 'operator'),
		node,
	};
	for (const { method, path, roles } of ROUTES) {
		// By entries of the configuration, and in the words of another protocol: cfssl.test.ts.
		if (roles.includes('external')) continue;
		// Enough of a request to get past admission, too little to do harm.
		const address = path.replace(/:\w+/g, 'none');
		for (const [role, credentials] of Object.entries(callers)) {
			const answer = await ca.request(method, address, credentials ? { credentials } : {});
			const code = answer.headers['content-type']?.startsWith('application/problem+json') ? answer.json()['code'] : undefined;
			const label = `${role} at ${method} ${path}`;
			if (roles.includes('anonymous')) t.not(code, 'forbidden', label);
			else if (role === 'anonymous') t.is(code, 'unauthenticated', label);
			else if (roles.includes(role as never)) t.false(code === 'forbidden' || code === 'unauthenticated', label);
			else t.is(code, 'forbidden', label);
		}
	}
});
