/**
 * docker.authz/1.0: may this call to the engine's API go through? Most calls cannot concern an
 * identity; those are let through by method and path alone, without a look at their bodies.
 */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { refusalText } from '../refusal.ts';
import { parseCreateBody } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { bindIdentity } from './identity-create.ts';
import { confirmJoins } from './joins.ts';
import { removeUngiven } from './labelled-start.ts';
import type { AuthorizerDeps, Rule } from './rule.ts';
import { concerns, CREATE, isWatched, REMOVALS, ruleFor, SERVICE } from './rules.ts';
import { recordService } from './services.ts';
import { refuseForm } from './unseen-body.ts';

export interface Verdict {
	readonly Allow: boolean;
	readonly Msg?: string;
}

const ALLOW: Verdict = { Allow: true };
/** The engine writes it to its log. */
const REFUSED_PROOF: Verdict = { Allow: false, Msg: 'birthmark: the plugin asked for this refusal itself, to see that the engine obeys' };
const CREATED = 201;
const CONTAINER_ID = /"Id":"([0-9a-f]{64})"/;
const SERVICE_ID = /"ID":"([0-9a-z]{25})"/;

/** AuthZReq: before the engine acts. Never throws for a call that it understood. */
export async function authorizeRequest(deps: AuthorizerDeps, call: EngineCall): Promise<Verdict> {
	if (deps.ownCalls.isOwn(call.headers)) {
		const nonce = deps.ownCalls.proofOf(call.headers);
		return nonce === undefined || deps.onProof(nonce) ? ALLOW : REFUSED_PROOF;
	}
	const rule = ruleFor(call);
	try {
		refuseForm(call);
		if (!rule || (await deps.isPermitted(call))) return ALLOW;
		await rule.check(deps, call, rule.path.exec(call.path)?.[1] ?? '');
		return ALLOW;
	} catch (error) {
		return refuse(deps, rule?.path.source ?? 'any', call, error);
	}
}

/** AuthZRes: after the engine acted. Refusing here hides the answer, it undoes nothing. */
export async function authorizeResponse(deps: AuthorizerDeps, call: EngineCall): Promise<Verdict> {
	const { response } = call;
	if (!isWatched(call) || !response || response.status < 200 || response.status > 299) return ALLOW;
	if (REMOVALS.some((pattern) => concerns(pattern, call))) deps.onContainersRemoved();
	// What we make to look into an image has the labels of that image, and gets nothing.
	if (response.status !== CREATED || deps.ownCalls.isOwn(call.headers)) return ALLOW;
	if (concerns(CREATE, call)) {
		const containerId = createdId(response.body, CONTAINER_ID);
		const id = containerId.slice(0, 12);
		deps.makers.remember(containerId, call.caller);
		const sentence = async (why: string): Promise<string> => (await removeUngiven(deps, containerId)) ? why : `the container ${id} was created but has no identity and will not start (${why}); remove it with docker rm ${id} and try again`;
		try {
			const body = parseCreateBody(call.body);
			if (body.joins.length > 0) await confirmJoins(deps, call, containerId);
		} catch (error) {
			return refuse(deps, CREATE.path.source, call, error);
		}
		return unless(deps, CREATE, call, sentence, () => bindIdentity(deps, call, parseCreateBody(call.body), containerId));
	}
	if (concerns(SERVICE, call)) {
		const id = createdId(response.body, SERVICE_ID);
		const sentence = (why: string): string => `the service ${id} was created but its tasks get no identity (${why}); remove it with docker service rm ${id} and try again`;
		return unless(deps, SERVICE, call, sentence, () => recordService(deps, call, id));
	}
	return ALLOW;
}

/** @param sentence says what became of it, from why the work failed */
async function unless(deps: AuthorizerDeps, rule: Rule, call: EngineCall, sentence: (why: string) => string | Promise<string>, work: () => Promise<void>): Promise<Verdict> {
	try {
		await work();
		return ALLOW;
	} catch (cause) {
		const why = cause instanceof BirthmarkError ? cause.message : 'something unexpected went wrong in the plugin';
		return refuse(deps, rule.path.source, call, new BirthmarkError(errorCode(cause), await sentence(why), { cause }));
	}
}

function refuse({ logger }: AuthorizerDeps, route: string, { method }: EngineCall, error: unknown): Verdict {
	const Msg = refusalText(error);
	const fields = { method, route, reason: Msg };
	if (error instanceof BirthmarkError && error.code !== 'internal') logger.info('refused', { ...fields, code: error.code });
	else logger.error('refused', { ...fields, error });
	return { Allow: false, Msg };
}

function createdId(body: Buffer, pattern: RegExp): string {
	const id = pattern.exec(body.toString('utf8'))?.[1];
	if (!id) throw new BirthmarkError('request-malformed', 'the engine created a container or a service without saying which');
	return id;
}
