/** Which container a call means, as far as it is one of ours. */

import type { EngineContainer } from '../docker.ts';
import { COMMON_NAME_LABEL } from './labels.ts';

export interface LabelledContainersDeps {
	readonly engine: { containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]> };
}

/**
 * Finds a labelled container by id, by a prefix of it or by name, as the engine resolves a reference
 * (moby, daemon/container.go GetContainer). Asks the list: it takes no lock of any container.
 *
 * @returns undefined when the reference means none of ours
 * @throws BirthmarkError `engine-unavailable`
 */
export async function findLabelledContainer(deps: LabelledContainersDeps, reference: string): Promise<EngineContainer | undefined> {
	const name = '/' + reference.replace(/^\//, '');
	const labelled = await deps.engine.containers({ label: [COMMON_NAME_LABEL] });
	return labelled.find((container) => container.Names?.includes(name)) ?? labelled.find((container) => reference !== '' && container.Id.startsWith(reference));
}
