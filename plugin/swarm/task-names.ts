/**
 * Names for `birthmark.cn=auto` of a service: `SERVICE-SLOT` for each task of a replicated one,
 * `SERVICE-NODE`, with the id of the node in the swarm, for the task that a global one has there.
 */

import { namesOfTask, type AutoNames } from '#common/protocol/auto-names.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { structFields, type Fields } from '../authz/go-struct.ts';
import type { EngineTask } from '../docker.ts';

/** Each of them is a question to the policy and one to the CA; the others are asked about when they are born. */
const MAX_JUDGED = 64;

/**
 * The names that the tasks will have: all of them, of a large service the first ones and the last.
 *
 * @param service the body of the request
 * @param nodeId of this node, asked for only when it matters
 * @throws BirthmarkError `label-missing`, `label-illegal`
 */
export async function namesOfTasks(service: Fields, name: string, nodeId: () => Promise<string | undefined>): Promise<readonly [AutoNames, ...AutoNames[]]> {
	if (name === '') throw new BirthmarkError('label-missing', 'birthmark.cn=auto takes the name of the service; give it one with --name NAME');
	const mode = structFields(service.get('mode'), 'Mode');
	const isOfMode = (name: string): boolean => (mode.get(name) ?? null) !== null;
	if (isOfMode('replicatedjob') || isOfMode('globaljob')) throw new BirthmarkError('label-illegal', 'birthmark.cn=auto is for services, not for jobs; write birthmark.cn=NAME');
	if (isOfMode('global')) {
		const node = await nodeId();
		if (!node) throw new BirthmarkError('engine-unavailable', 'the engine does not tell its id in the swarm; try again');
		return [namesOfTask(name, node)];
	}
	const replicas = structFields(mode.get('replicated'), 'Replicated').get('replicas');
	const last = typeof replicas === 'number' && replicas > 1 ? replicas : 1;
	const slots = Array.from({ length: Math.min(last, MAX_JUDGED) - 1 }, (_, index) => index + 1);
	const [first = last, ...others] = [...slots, last];
	return [namesOfTask(name, first), ...others.map((slot) => namesOfTask(name, slot))];
}

/**
 * @param service its name, as the engine knows it
 * @throws BirthmarkError `identity-isolated` for a task without slot and node
 */
export function namesOfOneTask(service: string, { Slot, NodeID }: Pick<EngineTask, 'Slot' | 'NodeID'>): AutoNames {
	const which = Slot || NodeID;
	if (!which) throw new BirthmarkError('identity-isolated', `the engine does not tell which task of the service ${quote(service)} it is`);
	return namesOfTask(service, which);
}
