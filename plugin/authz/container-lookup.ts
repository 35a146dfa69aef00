/**
 * Which labelled container does a call mean? Answered with one small question to the engine, or none:
 * the labels of a container never change, so what has none is remembered by its id. Only lists are
 * asked for: they take no lock of any container.
 */

import type { EngineContainer } from '../docker.ts';
import { COMMON_NAME_LABEL } from './labels.ts';

const FULL_ID = /^[0-9a-f]{64}$/;
/** 64 bytes each and a little more */
const MAX_REMEMBERED = 10_000;

export interface ContainerLookupDeps {
	readonly engine: {
		containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]>;
		containerOfExec(execId: string): Promise<string | undefined>;
	};
}

export interface ContainerLookup {
	/**
	 * By id, by name or by a prefix of the id, in the order in which the engine resolves a reference
	 * (moby, daemon/container.go GetContainer): the name `db` of another one is also the beginning of
	 * some ids.
	 *
	 * @returns undefined when the reference means none of ours, or nothing
	 * @throws BirthmarkError `engine-unavailable`
	 */
	labelled(reference: string): Promise<EngineContainer | undefined>;
	/** The labelled container that an exec is in. @throws BirthmarkError `engine-unavailable` */
	labelledOfExec(execId: string): Promise<EngineContainer | undefined>;
}

export function createContainerLookup({ engine }: ContainerLookupDeps): ContainerLookup {
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
		async labelled(reference) {
			const name = reference.replace(/^\//, '');
			if (name === '') return undefined;
			if (FULL_ID.test(reference)) {
				const exact = await byFullId(reference);
				if (exact || unlabelled.has(reference)) return exact;
			}
			// Names that links give (`--link`) have a slash in them, and no filter finds them.
			if (name.includes('/')) return (await engine.containers({ label })).find(({ Names }) => Names?.includes(`/${name}`));
			if (!/^[0-9a-f]+$/.test(reference)) return byName(name, { label });
			const named = await byName(name, {});
			if (named) return isLabelled(named) ? named : undefined;
			return (await engine.containers({ id: [reference], label })).find(({ Id }) => Id.startsWith(reference));
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
