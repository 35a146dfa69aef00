/** Which stories `make test` runs on which engines. */

/** What a newer engine could break: the road of every call, of the volume, and of the chain. */
export const CORE = '{abuses,compose-scale,container-death,engine-limits,engine-restart,engine-setup,enrol,image,mount-propagation,named-volume,plugin-crash,restart-policy,runtime,runtime-abuses,runtime-default,runtime-restart,secrets,unlabelled-container,wrong-name}';

export interface Turn {
	/** for the lines of its output and the name of its log */
	readonly name: string;
	/** as in ENGINE; empty for the distribution's own */
	readonly engine: string;
	/** a glob over the folders of stories; all when absent */
	readonly stories: string | undefined;
	/** of those only these test files */
	readonly files?: readonly string[];
	/** nobody asked for it by name: where its packages cannot be had, that is told and no failure */
	readonly optional: boolean;
}

export interface Wish {
	/** everything that there is, rather than only the stories on the distribution's own engine */
	readonly everything: boolean;
	readonly story: string | undefined;
	/** what ENGINE names */
	readonly chosen: readonly string[];
	/** those that are looked at without being named */
	newer(): readonly string[];
	/** the folders of stories, in their order */
	all(): readonly string[];
}

/**
 * @returns at least one turn, those that take long first; an engine that is named gets all stories, or the
 * one that is named, the distribution's own has them divided between two engines of its kind
 */
export function whichTurns({ everything, story, chosen, newer, all }: Wish): Turn[] {
	if (chosen.length > 0) return chosen.map((engine) => ({ name: engine, engine, stories: story, optional: false }));
	const own = { engine: '', optional: false };
	const ownTurns = story !== undefined ? [{ ...own, name: 'own', stories: story }] : [0, 1].map((half) => ({ ...own, name: `own-${half + 1}`, stories: `{${all().filter((_, index) => index % 2 === half).join(',')}}` }));
	return everything ? [...ownTurns, ...newer().map((engine) => ({ name: engine, engine, stories: CORE, optional: true }))] : ownTurns;
}
