/**
 * Which labelled container does a call mean? Answered with one small question to the engine, or none:
 * the labels of a container never change, so what has none is remembered by its id. Only lists are
 * asked for: they take no lock of any container.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { EngineContainer } from '../docker.ts';
import { createAskedNames, type AskedNames } from './asked-names.ts';
import { COMMON_NAME_LABEL } from './labels.ts';

const FULL_ID = /^[0-9a-f]{64}$/;
/** 64 bytes each and a little more */
const MAX_REMEMBERED = 10_000;

export interface ContainerLookupDeps {
	readonly engine: {
		containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]>;
		containerOfExec(execId: string): Promise<string | undefined>;
	};
	readonly names?: AskedNames;
}

export interface ContainerLookup {
	/**
	 * By id, by name or by a prefix of the id, in the order in which the engine resolves a reference
	 * (moby, daemon/container.go GetContainer): the name `db` of another one is also the beginning of
	 * some ids.
	 *
	 * @param isAskedAgain the call does nothing that is not judged once more, by an id
	 * @returns undefined when the reference means none of ours, or nothing
	 * @throws BirthmarkError `engine-unavailable`; `identity-isolated` for what may mean another
	 * container by the time the engine looks
	 */
	labelled(reference: string, isAskedAgain?: boolean): Promise<EngineContainer | undefined>;
	/** A labelled container is to be renamed. @returns when nothing that was judged before can reach it by that name */
	willBe(name: string, containerId: string): Promise<void>;
	/** The labelled container that an exec is in. @throws BirthmarkError `engine-unavailable` */
	labelledOfExec(execId: string): Promise<EngineContainer | undefined>;
}

export function createContainerLookup({ engine, names = createAskedNames() }: ContainerLookupDeps): ContainerLookup {
	const unlabelled = new Set<string>();
	const label = [COMMON_NAME_LABEL];

	async function byFullId(id: string): Promise<EngineContainer | undefined> {
		if (unlabelled.has(id)) return undefined;
		const [container] = await engine.containers({ id: [id] });
		if (container?.Id !== id) return undefined;
		if (isLabelled(container)) return container;
		if (unlabelled.size >= MAX_REMEMBERED) unlabelled.clear();
		unlabelled.add(id);
		return undefined;
	}

	async function byName(name: string, filters: Record<string, readonly string[]>): Promise<EngineContainer | undefined> {
		const found = await engine.containers({ name: [`^/?${RegExp.escape(name)}$`], ...filters });
		return found.find(({ Names }) => Names?.includes(`/${name}`));
	}

	return {
		async labelled(reference, isAskedAgain = false) {
			const name = reference.replace(/^\//, '');
			if (name === '') return undefined;
			const coming = names.ask(name);
			const renamed = coming === undefined ? undefined : await byFullId(coming);
			if (renamed) return renamed;
			if (FULL_ID.test(reference)) {
				const exact = await byFullId(reference);
				if (exact || unlabelled.has(reference)) return exact;
			}
			// Names that links give (`--link`) have a slash in them, and go with the next container that has such a link.
			if (name.includes('/')) {
				if ((await engine.containers({ label })).length === 0) return undefined;
				throw new BirthmarkError('identity-isolated', `${quote(name)} is a name that a link gives, and may be another container at any time; use the container's own name or its id`);
			}
			if (!/^[0-9a-f]+$/.test(reference)) return byName(name, { label });
			const named = await byName(name, {});
			if (named && (isLabelled(named) || isAskedAgain)) return isLabelled(named) ? named : undefined;
			const begun = (await engine.containers({ id: [reference], label })).find(({ Id }) => Id.startsWith(reference));
			if (!named || !begun) return begun;
			// Without the first the engine would take the second.
			throw new BirthmarkError('identity-isolated', `${quote(name)} is the name of one container and the beginning of the id of another, which has an identity; use the whole id`);
		},

		async willBe(name, containerId) {
			await names.give(name.replace(/^\//, ''), containerId);
		},

		async labelledOfExec(execId) {
			const containerId = await engine.containerOfExec(execId);
			return containerId === undefined ? undefined : byFullId(containerId);
		},
	};
}

function isLabelled({ Labels }: EngineContainer): boolean {
	return Object.hasOwn(Labels ?? {}, COMMON_NAME_LABEL);
}
