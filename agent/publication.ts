/** How this container wants its identity written: what its labels say, with the defaults. */

import type { AgentSettings } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { DEFAULT_KEY_MODE, parseFormats, parseKeyMode, parseOwner, type FileOwner, type Format } from '#common/protocol/publication.ts';

export interface Publication {
	/** beside PEM */
	readonly formats: readonly Format[];
	/** permission bits of files that hold a key or what opens one */
	readonly keyMode: number;
	/** whose the files are; the agent's own when absent */
	readonly owner?: FileOwner;
	/** where the readers have the directory, when it is another path than the agent's */
	readonly seenAt?: string;
}

export const DEFAULT_PUBLICATION: Publication = { formats: [], keyMode: DEFAULT_KEY_MODE };

/** @throws BirthmarkError `config-invalid` */
export function publicationFrom({ formats, keyMode, owner }: AgentSettings): Publication {
	const refuse = (why: string) => new BirthmarkError('config-invalid', `what the plugin says of the files is not understood (${why}): agent and plugin do not fit together`);
	return {
		formats: formats === undefined ? DEFAULT_PUBLICATION.formats : parseFormats(formats, refuse),
		keyMode: keyMode === undefined ? DEFAULT_PUBLICATION.keyMode : parseKeyMode(keyMode, refuse),
		...(owner !== undefined && { owner: parseOwner(owner, refuse) }),
	};
}
