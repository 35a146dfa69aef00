/** The HTTP side of the CA: every request passes here, from the access log down to its route. */

import Router, { type RouterContext } from '@koa/router';
import Koa from 'koa';
import type { IncomingMessage, RequestListener } from 'node:http';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { PROBLEM_CONTENT_TYPE } from '#common/protocol/problem.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Refusals } from '../audit/refusals.ts';
import type { Caller } from '../registration/caller.ts';
import type { Actor } from '../store/records.ts';
import { logAccess, type Answered } from './access-log.ts';
import { beginAttempt, retryAfter, type Attempt, type AttemptDeps } from './attempt.ts';
import type { Authenticate } from './authenticate.ts';
import { readBytes, readForm, readJson } from './body.ts';
import { problemOf } from './problem.ts';
import type { Admission, ApiAnswer, ApiRequest, Route } from './route.ts';

/** How much of a refusal's sentence the audit log keeps: some repeat what was sent. */
const RECORDED_DETAIL = 256;

type State = { caller?: Caller; route?: Route };
type Context = RouterContext<State>;

export interface AppDeps {
	readonly routes: readonly Route[];
	readonly authenticate: Authenticate;
	readonly defence: AttemptDeps;
	readonly refusals: Refusals;
	readonly logger: Logger;
	/** sees every answer */
	readonly observe?: (answered: Answered) => void;
	/** runs each request */
	readonly around?: (request: IncomingMessage, work: () => Promise<void>) => Promise<void>;
}

/**
 * @returns a listener for an HTTP server; the same routes may stand behind several, each with its own way to authenticate
 * @throws TypeError when a route does not say who may call it
 */
export function createApp({ routes, authenticate, defence, refusals, logger, observe = () => {}, around = (_, work) => work() }: AppDeps): RequestListener {
	const app = new Koa<State>();
	// Koa prints errors of its own accord, with the URL's secrets in them; here they are logged by `accessLog` and nowhere else.
	app.silent = true;
	const router = new Router<State>({ strict: true, sensitive: true });
	for (const route of routes) {
		if (route.roles.length === 0) throw new TypeError(`the route ${route.method} ${route.path} does not say who may call it`);
		router.register(route.path, [route.method], async (context) => {
			context.state.route = route;
			const attempt = beginAttempt(defence, context.req, route.isGuarded === true);
			try {
				const admitted = () => admit(route.roles, async () => (context.state.caller = await authenticate(context.req)));
				const caller = await admitted();
				if (caller) attempt.identify(caller);
				render(context, await route.handle(toRequest(context, caller, admitted, attempt, refusals)));
			} catch (failure) {
				throw attempt.blame(failure);
			}
		});
	}
	app.use((context, next) => around(context.req, async () => {
		const begun = performance.now();
		let failure: unknown;
		try {
			await next();
			if (context.status === 405 || context.status === 501) throw new BirthmarkError('method-not-allowed');
			if (context.status === 404 && context.body == null) throw new BirthmarkError('not-found');
		} catch (error) {
			failure = error;
			renderProblem(context as unknown as Context, error);
			await recordRefusal(refusals, context as unknown as Context, error);
		}
		const { method, status, state: { route, caller } } = context;
		const answered = { method, route: route?.path ?? '(none)', status, durationMs: performance.now() - begun, isSigning: route?.description.errors?.includes('csr-malformed') === true, ...(caller && { caller }), failure };
		logAccess(logger, answered);
		observe(answered);
	}));
	app.use(router.routes());
	// Answers 405 or 501 with the `Allow` header of RFC 9110 §15.5.6; the middleware above makes a problem document of it.
	app.use(router.allowedMethods());
	return app.callback();
}

/** @returns undefined on a route for everybody */
async function admit(roles: readonly Admission[], authenticate: () => Promise<Caller>): Promise<Caller | undefined> {
	if (roles.includes('anonymous')) return undefined;
	const caller = await authenticate();
	if (!roles.includes(caller.role)) throw new BirthmarkError('forbidden', `this is for the role ${roles.join(' or ')}, and the caller is a ${caller.role}`);
	return caller;
}

function toRequest(context: Context, caller: Caller | undefined, admitted: () => Promise<unknown>, attempt: Attempt, refusals: Refusals): ApiRequest {
	// A body may take its time, and whoever sends it may be revoked meanwhile.
	const whole = async <T>(body: Promise<T>): Promise<T> => {
		const value = await body;
		await admitted();
		return value;
	};
	return {
		actor: actorOf(context, caller),
		present: (token) => attempt.present(token),
		refuse: (error) => recordRefusal(refusals, context, error),
		get caller() {
			if (!caller) throw new BirthmarkError('unauthenticated');
			return caller;
		},
		parameter(name) {
			const value = context.params[name] ?? '';
			if (value.includes('\0')) throw new BirthmarkError('request-malformed', 'there is a NUL in the path');
			return value;
		},
		query: (name) => new URLSearchParams(context.querystring).get(name) ?? undefined,
		header: (name) => context.get(name) || undefined,
		json: (schema, limit) => whole(readJson(context.req, schema, limit)),
		form: (schema) => whole(readForm(context.req, schema)),
		bytes: (limit) => whole(readBytes(context.req, limit)),
	};
}

function actorOf(context: Context, caller: Caller | undefined): Actor {
	// A unix socket has no addresses, and the admin socket is the only one.
	return { role: caller?.role ?? 'anonymous', name: caller?.name ?? '', source: context.req.socket.remoteAddress ?? 'admin-socket' };
}

function render(context: Context, answer: ApiAnswer): void {
	context.status = answer.status;
	if (answer.json !== undefined) context.body = JSON.stringify(answer.json);
	else context.body = answer.body ?? null;
	// Setting an empty body makes Koa choose 204.
	context.status = answer.status;
	if (context.body != null) context.set('Content-Type', answer.contentType ?? 'application/json');
	if (answer.isPrivate) context.set('Cache-Control', 'no-store');
	for (const [name, value] of Object.entries(answer.headers ?? {})) context.set(name, value);
}

function renderProblem(context: Context, error: unknown): void {
	const problem = problemOf(error);
	const { refuse } = context.state.route ?? {};
	render(context, refuse ? refuse(problem) : { status: problem.status, json: problem, contentType: PROBLEM_CONTENT_TYPE, isPrivate: true });
	const seconds = retryAfter(error);
	if (seconds !== undefined) context.set('Retry-After', seconds);
	// RFC 9110 §15.5.2 wants a challenge; client certificates have no scheme to put there.
	if (problem.status === 401) context.set('WWW-Authenticate', 'Bearer realm="birthmark"');
}

/** What was asked for at a route and refused; that a source is not heard was recorded when it began. */
async function recordRefusal(refusals: Refusals, context: Context, error: unknown): Promise<void> {
	const { route, caller } = context.state;
	const { status, detail } = problemOf(error);
	if (!route || status < 400 || status >= 500 || status === 429) return;
	// The sentence says which name, rule or certificate it was about. Strangers do not get to write into the log.
	const more = caller && { detail: detail.slice(0, RECORDED_DETAIL) };
	await refusals.record(actorOf(context, caller), { action: `${route.method} ${route.path}`, outcome: 'refused', details: { code: errorCode(error), ...more } });
}
