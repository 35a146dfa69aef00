/**
 * `POST /containers/X/attach` and `GET /containers/X/attach/ws`: whoever has the input of a process
 * may have what it has (31). Its output alone is what `docker logs` shows as well, so a container
 * without an input of its own (`-i`) may be attached to by everybody.
 *
 * `docker run -i` attaches before the container starts for the first time, when there is nothing to
 * reach yet. So whoever made a container may attach to it until then.
 */

import type { EngineCall } from './engine-call.ts';
import { checkReach } from './labelled-containers.ts';
import type { AuthorizerDeps } from './rule.ts';

/** More are forgotten, and then nobody attaches to them unasked. */
const MAX_REMEMBERED = 1_000;

/** Who made which container, for as long as this process lives. */
export interface Makers {
	remember(containerId: string, caller: string): void;
	isMaker(containerId: string, caller: string): boolean;
	/** Whether nobody has asked for its start since this caller made it: then the engine need not be asked what state it is in. */
	isUnstarted(containerId: string, caller: string): boolean;
	/** somebody asks for the start of a container, by whatever it is called */
	startAsked(reference: string): void;
	/** containers may have been started without a question */
	forgetUnstarted(): void;
}

export function createMakers(): Makers {
	const callers = new Map<string, string>();
	const unstarted = new Set<string>();
	return {
		remember(containerId, caller) {
			callers.set(containerId, caller);
			unstarted.add(containerId);
			if (callers.size <= MAX_REMEMBERED) return;
			const oldest = callers.keys().next().value!;
			callers.delete(oldest);
			unstarted.delete(oldest);
		},
		isMaker: (containerId, caller) => callers.get(containerId) === caller,
		isUnstarted: (containerId, caller) => unstarted.has(containerId) && callers.get(containerId) === caller,
		startAsked: (reference) => void (unstarted.delete(reference) || unstarted.clear()),
		forgetUnstarted: () => unstarted.clear(),
	};
}

/** @throws BirthmarkError to refuse */
export async function checkAttach(deps: AuthorizerDeps, call: EngineCall, reference: string): Promise<void> {
	if (deps.makers.isUnstarted(reference, call.caller)) return;
	const container = await deps.lookup.labelled(reference);
	if (!container) return;
	if (container.State === 'created' && deps.makers.isMaker(container.Id, call.caller)) return;
	// Not by what the request says: a form in its body, which no plugin sees, would say otherwise.
	if ((await deps.engine.inspect(container.Id))?.Config.OpenStdin !== true) return;
	await checkReach(deps, call, 'attach', container, 'its input leads to whatever reads it');
}
