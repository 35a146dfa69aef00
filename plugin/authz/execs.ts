/**
 * `POST /containers/X/exec` and `POST /exec/ID/start`: a process in a container with an identity has
 * that identity (31). It is asked again when the process is started: another one may have prepared
 * it, or rules that have changed since. Health checks run inside the engine and are not asked about.
 */

import { parseBody } from './create-body.ts';
import { NO_FACTS } from '#common/policy/request.ts';
import { quote } from '#common/protocol/names.ts';
import type { EngineCall } from './engine-call.ts';
import { isSet, structFields } from './go-struct.ts';
import { checkReach } from './labelled-containers.ts';
import type { AuthorizerDeps } from './rule.ts';

const WHY = 'whoever runs a command in it can read its key';

/** @throws BirthmarkError to refuse */
export async function checkExecCreate(deps: AuthorizerDeps, call: EngineCall, reference: string): Promise<void> {
	const fields = structFields(parseBody(call.body, 'run a command in a container'), 'the request');
	const container = await deps.lookup.labelled(reference, true);
	if (container) await checkReach(deps, call, 'exec', container, WHY);
	if (!isSet(fields.get('privileged'))) return;
	// All capabilities, in whichever container.
	const facts = container ? { commonName: container.Labels?.['birthmark.cn'] ?? '' } : {};
	const why = `--privileged gives a command in ${quote(reference)} power over the host`;
	await deps.policy.check(call, 'reach-host', { container: { ...NO_FACTS, ...facts, name: reference.replace(/^\//, ''), powers: ['privileged'] } }, why);
}

/** @throws BirthmarkError to refuse */
export async function checkExecStart(deps: AuthorizerDeps, call: EngineCall, execId: string): Promise<void> {
	const container = await deps.lookup.labelledOfExec(execId);
	if (container) await checkReach(deps, call, 'exec', container, WHY);
}
