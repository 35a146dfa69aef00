/**
 * Labels that the engine puts on the tasks of a swarm (43). On a container that is to have an
 * identity they would make it look like a task of somebody's service.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';

const PREFIX = 'com.docker.swarm.';

/** @param labels of the container and of its image @throws BirthmarkError `label-illegal` */
export function refuseSwarmLabels(labels: ReadonlyMap<string, string>): void {
	const name = [...labels.keys()].find((key) => key.startsWith(PREFIX));
	if (name !== undefined) throw new BirthmarkError('label-illegal', `the label ${quote(name)} is for the engine to put on tasks of a service; create the container without it`);
}
