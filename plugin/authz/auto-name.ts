/**
 * The name of a container for `birthmark.cn=auto`: the one that its create call gives it, which the
 * engine gives to no other. One that the engine invents says nothing, and is none.
 */

import { AUTO_NAME, namesOfContainer, type AutoNames } from '#common/protocol/auto-names.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { EngineContainer } from '../docker.ts';
import type { EngineCall } from './engine-call.ts';
import { COMMON_NAME_LABEL } from './labels.ts';

export interface AutoNameDeps {
	readonly engine: { containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]> };
}

/** Docker Compose makes a container anew under the beginning of the old one's id and its name, and renames it when that one is gone. */
const REPLACEMENT = /^([0-9a-f]{12})_(.+)$/;

/** Without a slash; empty when the engine is to choose. */
export function nameAskedFor(call: EngineCall): string {
	return (call.query.get('name') ?? '').replace(/^\//, '');
}

/** The container's own name, without a slash. The engine's list has those that links give, `OTHER/ALIAS`, in the order of the alphabet among them: whoever may link to it would choose its name. */
export function ownName({ Names }: Pick<EngineContainer, 'Names'>): string {
	return Names?.map((name) => name.slice(1)).find((name) => !name.includes('/')) ?? '';
}

/** @param name asked for in the create call @returns undefined where nobody gave it one, or where nothing depends on it */
export async function autoNamesOf({ engine }: AutoNameDeps, name: string, labels: ReadonlyMap<string, string>): Promise<AutoNames | undefined> {
	if (labels.get(COMMON_NAME_LABEL) !== AUTO_NAME) return undefined;
	const [, id = '', whose = ''] = REPLACEMENT.exec(name) ?? [];
	const isReplacement = id !== '' && (await engine.containers({ id: [id] })).some((old) => old.Id.startsWith(id) && ownName(old) === whose);
	return namesOfContainer(isReplacement ? whose : name, labels);
}

/**
 * The same when it is there.
 *
 * @param real the name that the engine gave it
 * @throws BirthmarkError `identity-isolated` for a container that was renamed in between
 */
export async function autoNamesOfNew(deps: AutoNameDeps, call: EngineCall, real: string, labels: ReadonlyMap<string, string>): Promise<AutoNames | undefined> {
	const asked = nameAskedFor(call);
	if (labels.get(COMMON_NAME_LABEL) === AUTO_NAME && asked !== '' && asked !== real) {
		throw new BirthmarkError('identity-isolated', `the container is called ${quote(real)} and not ${quote(asked)}, by which its identity was decided; create it again`);
	}
	return autoNamesOf(deps, asked, labels);
}
