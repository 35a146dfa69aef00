/** `POST /containers/X/rename`: anybody may, but what was judged by the new name before has to be over (asked-names.ts). */

import type { EngineCall } from './engine-call.ts';
import type { AuthorizerDeps } from './rule.ts';
import { refuseUnseenBody } from './unseen-body.ts';

/** @throws BirthmarkError to refuse */
export async function checkRename({ lookup }: Pick<AuthorizerDeps, 'lookup'>, call: EngineCall, reference: string): Promise<void> {
	// Its body may be a form that gives another name than the address does.
	refuseUnseenBody(call, 'change of a name');
	const container = await lookup.labelled(reference);
	if (container) await lookup.willBe(call.query.get('name') ?? '', container.Id);
}
