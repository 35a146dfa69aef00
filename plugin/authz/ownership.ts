/**
 * Whose the identity directory is, and for whom the files in it are. The directory belongs to whoever runs
 * the agent, and only that user can write into it: a server that began as root and gave that up could put
 * links in the agent's way otherwise. Where the files are for another user or group (labels `birthmark.uid`,
 * `birthmark.gid`) the directory has that group, which may enter; and what is made in it has it as well
 * (set-group-ID, inode(7)) where keys are for the group, so that the agent needs no capability for it.
 */

import type { AgentSettings } from '#common/protocol/agent-file.ts';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { DEFAULT_KEY_MODE, formatOwner, isForGroup, parseKeyMode } from '#common/protocol/publication.ts';
import type { EngineImage } from '../docker.ts';
import type { OnHost } from '../users/id-mapping.ts';
import type { OwnerOf } from '../users/image-users.ts';
import type { Owner } from '../users/user-lookup.ts';
import type { IdentityLabels } from './labels.ts';

export interface OwnerDeps {
	readonly ownerOf: OwnerOf;
	readonly onHost: OnHost;
}

export interface Ownership extends Owner {
	/** permission bits of the directory */
	readonly mode: number;
	/** those of the labels, and for whom the files are */
	readonly settings: AgentSettings;
}

const DEFAULT_MODE = 0o700;
const MODE_FOR_ANOTHER = 0o750;
const SET_GROUP_ID = 0o2000;

/**
 * @param user of the request; the image's counts when it is empty
 * @param usernsMode `host` for a container that stays out of the engine's user namespaces
 * @returns ids of the directory as they are on the host; those in the settings are the container's
 * @throws BirthmarkError `label-missing`, `label-illegal`, `engine-unavailable`
 */
export async function ownershipOf({ ownerOf, onHost }: OwnerDeps, labels: IdentityLabels, user: string, image: EngineImage, usernsMode = ''): Promise<Ownership> {
	const { uid, gid, mode, agentMode, settings } = labels;
	const asked = uid === undefined ? undefined : { uid, gid: gid ?? (await ownerOf(String(uid), image)).gid };
	// The node's agent runs as anybody it likes.
	const runner = agentMode === 'node' && asked ? asked : await runnerOf(ownerOf, user, image, asked);
	const files = asked ?? { uid: runner.uid, gid: gid ?? runner.gid };
	const isForAnother = files.uid !== runner.uid;
	if (isForAnother && mode !== undefined && (mode & 0o011) === 0) {
		throw new BirthmarkError('label-illegal', `birthmark.mode=${mode.toString(8).padStart(4, '0')} keeps the user ${files.uid} of birthmark.uid out of the directory, which belongs to the container's user ${runner.uid}; use 0750`);
	}
	const keyMode = settings.keyMode === undefined ? DEFAULT_KEY_MODE : parseKeyMode(settings.keyMode, (why) => new RangeError(why));
	const directory = { uid: runner.uid, gid: files.gid };
	const differs = isForAnother || files.gid !== runner.gid;
	return {
		...(usernsMode === 'host' ? directory : await onHost(directory)),
		mode: (mode ?? (isForAnother ? MODE_FOR_ANOTHER : DEFAULT_MODE)) | (differs && isForGroup(keyMode) ? SET_GROUP_ID : 0),
		settings: agentMode === 'node' || !differs ? settings : { ...settings, owner: formatOwner(files) },
	};
}

/** A user that the image does not know by name, or not in files that are read, is the one of the labels. */
async function runnerOf(ownerOf: OwnerOf, user: string, image: EngineImage, asked: Owner | undefined): Promise<Owner> {
	try {
		return await ownerOf(user, image);
	} catch (error) {
		if (asked && errorCode(error) === 'label-missing') return asked;
		throw error;
	}
}
