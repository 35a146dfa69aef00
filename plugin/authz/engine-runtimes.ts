/**
 * What the engine says of its runtimes. It says it together with much else (`/info`), which takes it tens
 * of milliseconds, and it changes only when the engine reads daemon.json again. So while a container
 * is not created yet the last answer may serve, with the next one on its way; after that, the next one.
 */

import type { EngineInfo } from '../docker.ts';

export interface EngineRuntimes {
	/** The last answer, if there is one; another is asked for meanwhile. @throws BirthmarkError `engine-unavailable` */
	glance(): Promise<EngineInfo>;
	/** The answer that was asked for by the last {@link glance}. @throws BirthmarkError `engine-unavailable` */
	look(): Promise<EngineInfo>;
	/** One that is asked for now. @throws BirthmarkError `engine-unavailable` */
	ask(): Promise<EngineInfo>;
}

export function createEngineRuntimes(engine: { info(): Promise<EngineInfo> }): EngineRuntimes {
	let known: EngineInfo | undefined;
	let asking: Promise<EngineInfo> | undefined;

	async function ask(): Promise<EngineInfo> {
		try {
			return (known = await engine.info());
		} catch (error) {
			known = undefined;
			throw error;
		}
	}

	function refresh(): Promise<EngineInfo> {
		return (asking ??= ask().finally(() => (asking = undefined)));
	}

	return {
		async glance() {
			const last = known;
			const next = refresh();
			if (!last) return next;
			next.catch(() => undefined); // whoever looks is told
			return last;
		},
		look: async () => asking ?? known ?? refresh(),
		ask,
	};
}
