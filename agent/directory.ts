/** The identity directory as the plugin left it: a tmpfs, with a one-time token in it. */

import { rmSync, statfsSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { MAX_USER_TOKEN_LENGTH } from '#common/protocol/user-token.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { readOrdinaryFile } from './held-directory.ts';
import { systemCode } from './store-error.ts';

/** TMPFS_MAGIC, statfs(2) */
const TMPFS_MAGIC = 0x01021994;
/** for the group and for everybody */
const WRITABLE_BY_OTHERS = 0o022;
/** Secrets that are delivered to containers may be links. */
const FOLLOW = 0;
/** Whatever is much larger than the longest token is some other file. */
const MAX_TOKEN_FILE_BYTES = MAX_USER_TOKEN_LENGTH + 1024;

/**
 * Refuses a directory that could reach a disk: a private key must not. And one into which another
 * user can write: with links in the way it would have the agent's rights used elsewhere, which
 * matters most when the agent is root and the application is not.
 *
 * @throws BirthmarkError `directory-unusable` when it is missing or not the agent's alone, `directory-not-tmpfs`
 */
export function requireDirectory(directory: string): void {
	let type: number;
	let status: Stats;
	try {
		type = statfsSync(directory).type;
		status = statSync(directory);
	} catch (cause) {
		throw new BirthmarkError(
			'directory-unusable',
			`the identity directory ${directory} is not there: mount a volume of the birthmark driver at it`,
			{ cause },
		);
	}
	if (type !== TMPFS_MAGIC) {
		throw new BirthmarkError(
			'directory-not-tmpfs',
			`${directory} is not a tmpfs, a private key would reach the disk: mount a volume of the birthmark driver at it`,
		);
	}
	const user = process.geteuid!();
	if (status.uid !== user) {
		throw new BirthmarkError(
			'directory-unusable',
			`${directory} belongs to user ${status.uid}, but the agent runs as user ${user}: ` +
				'run the agent as the container\'s user, before any program that becomes another',
		);
	}
	if ((status.mode & WRITABLE_BY_OTHERS) !== 0) {
		throw new BirthmarkError('directory-unusable', `other users can write into ${directory}: give it a mode like 0700 or 0750 (label birthmark.mode)`);
	}
}

export function tokenPath(directory: string, tokenFile?: string): string {
	return tokenFile ?? join(directory, VolumeFile.token);
}

/**
 * @returns the text of the token file without surrounding white space, not yet parsed
 * @throws BirthmarkError `token-missing`, `token-malformed` when it cannot be one, `directory-unusable`
 */
export function readTokenFile(path: string): string {
	try {
		return readOrdinaryFile(path, MAX_TOKEN_FILE_BYTES, FOLLOW).toString().trim();
	} catch (cause) {
		const code = systemCode(cause);
		// A pipe could keep the agent waiting for ever, a device give it data without end.
		if (['EINVAL', 'EFBIG', 'ENXIO'].includes(code)) throw new BirthmarkError('token-malformed', `${path} is not a file with a token in it`, { cause });
		if (code === 'ENOENT') {
			throw new BirthmarkError(
				'token-missing',
				`there is no token at ${path}: tokens are minted at each start, so restart the container`,
				{ cause },
			);
		}
		throw new BirthmarkError(
			'directory-unusable',
			`the token at ${path} cannot be read: run the container as the user it was created for (labels birthmark.uid and birthmark.gid)`,
			{ cause },
		);
	}
}

/** A token is worthless once redeemed, but nobody should have to know that. Gone already is fine. */
export function deleteToken(path: string): void {
	rmSync(path, { force: true });
}
