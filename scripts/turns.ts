/** Which stories `make test` runs on which engines. */

/** What a newer engine could break: the road of every call, of the volume, and of the chain. */
export const CORE = '{abuses,compose-scale,container-death,engine-limits,engine-restart,engine-setup,enrol,image,mount-propagation,named-volume,plugin-crash,restart-policy,runtime,runtime-abuses,runtime-default,runtime-restart,secrets,unlabelled-container,wrong-name}';

export interface Turn {
	/** as in ENGINE; empty for the distribution's own */
	readonly engine: string;
	/** a glob over the folders of stories; all when absent */
	readonly stories: string | undefined;
	/** nobody asked for it by name: where its packages cannot be had, that is told and no failure */
	readonly optional: boolean;
}

/** For the lines of its output and the name of its log. */
export const nameOf = ({ engine }: Turn): string => `engine${engine && `-${engine}`}`;

export interface Wish {
	/** everything that there is, rather than only the stories on the distribution's own engine */
	readonly everything: boolean;
	readonly story: string | undefined;
	/** what ENGINE names */
	readonly chosen: readonly string[];
	/** those that are looked at without being named */
	newer(): readonly string[];
}

/** @returns at least one turn; an engine that is named gets all stories, or the one that is named */
export function whichTurns({ everything, story, chosen, newer }: Wish): Turn[] {
	if (chosen.length > 0) return chosen.map((engine) => ({ engine, stories: story, optional: false }));
	const own = { engine: '', stories: story, optional: false };
	return everything ? [own, ...newer().map((engine) => ({ engine, stories: CORE, optional: true }))] : [own];
}
