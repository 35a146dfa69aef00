/** `POST /containers/X/start` and `…/restart`: what was judged when the container was created must be what starts (21, 36, 46). */

import { NO_FACTS } from '#common/policy/request.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { EngineCall } from './engine-call.ts';
import { reaches } from './labelled-containers.ts';
import { checkLabelledStart } from './labelled-start.ts';
import { refuseOldVersion } from './old-api.ts';
import { permitPowers } from './reach-host.ts';
import type { AuthorizerDeps } from './rule.ts';
import { refuseUnseenBody } from './unseen-body.ts';

/** @throws BirthmarkError to refuse */
export async function checkStart(deps: AuthorizerDeps, call: EngineCall, reference: string): Promise<void> {
	// Before API 1.24 a start could carry a HostConfig that replaces the one judged at create.
	refuseOldVersion(call, 'start containers');
	refuseUnseenBody(call, 'start of a container');
	const body = call.body?.toString('utf8').trim() ?? '';
	if (body !== '' && body !== '{}' && body !== 'null') {
		throw new BirthmarkError(
			'engine-request-ambiguous',
			'a start with a body could change what was judged when the container was created; start it without one',
		);
	}
	deps.makers.startAsked(reference);
	await checkLabelledStart(deps, reference);
	if (!isGiven(call, 'checkpoint')) return deps.onStartAsked(reference);
	await reaches('checkpoint', 'a checkpoint would put other processes in the place of its own')(deps, call, reference);
	// Processes with whatever rights whoever wrote those files gave to them.
	if (isGiven(call, 'checkpoint-dir')) await permitPowers(deps, call, { ...NO_FACTS, name: reference }, ['restore']);
}

/** A restart also starts what does not run. @throws BirthmarkError to refuse */
export function checkRestart(deps: AuthorizerDeps, _: EngineCall, reference: string): Promise<void> {
	deps.makers.startAsked(reference);
	return checkLabelledStart(deps, reference);
}

function isGiven({ query }: EngineCall, name: string): boolean {
	return query.getAll(name).some((value) => value !== '');
}
