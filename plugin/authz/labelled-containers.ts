/** Calls that would take files, memory or labels out of a container with an identity (30, 36, 39). */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { EngineContainer } from '../docker.ts';
import type { EngineCall } from './engine-call.ts';
import { COMMON_NAME_LABEL } from './labels.ts';
import type { AuthorizerDeps, Rule } from './rule.ts';
import { refuseUnseenBody } from './unseen-body.ts';

export interface LabelledContainersDeps {
	readonly engine: { containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]> };
}

/**
 * Finds a labelled container by id, by name or by a prefix of the id, in the order in which the engine
 * resolves a reference (moby, daemon/container.go GetContainer): the name `db` of another one is also
 * the beginning of some ids. Asks the list: it takes no lock of any container.
 *
 * @returns undefined when the reference means none of ours
 * @throws BirthmarkError `engine-unavailable`
 */
export async function findLabelledContainer(deps: LabelledContainersDeps, reference: string): Promise<EngineContainer | undefined> {
	const name = '/' + reference.replace(/^\//, '');
	const all = await deps.engine.containers({});
	const found =
		all.find(({ Id }) => Id === reference) ??
		all.find(({ Names }) => Names?.includes(name)) ??
		all.find(({ Id, Labels }) => reference !== '' && Id.startsWith(reference) && isLabelled(Labels));
	return found && isLabelled(found.Labels) ? found : undefined;
}

function isLabelled(labels: EngineContainer['Labels']): boolean {
	return Object.hasOwn(labels ?? {}, COMMON_NAME_LABEL);
}

/** As the engine says now, e.g. `running`; `gone` when there is no such container, `unknown` when it does not answer. */
export async function containerState(deps: LabelledContainersDeps, containerId: string): Promise<string> {
	try {
		return (await deps.engine.containers({ id: [containerId] })).find(({ Id }) => Id === containerId)?.State ?? 'gone';
	} catch {
		return 'unknown';
	}
}

/** A rule's check for calls whose path names the container. @param why what the user is told, and what to do instead */
export function refuseLabelled(why: string): Rule['check'] {
	return async (deps, _, reference) => {
		if (await deps.findLabelled(reference)) {
			throw new BirthmarkError('identity-isolated', `the container ${quote(reference)} has an identity: ${why}`);
		}
	};
}

/** @throws BirthmarkError to refuse */
export async function checkCommit(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	// Its body may be a form that names another container than the address does.
	refuseUnseenBody(call, 'commit');
	await refuseLabelled('a commit would give its labels to an image; build an image instead')(deps, call, call.query.get('container') ?? '');
}
