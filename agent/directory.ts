/** The identity directory as the plugin left it: a tmpfs, with a one-time token in it. */

import { readFileSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';

/** TMPFS_MAGIC, statfs(2) */
const TMPFS_MAGIC = 0x01021994;
/** A token has 84 characters; whatever is much larger is some other file. */
const MAX_TOKEN_FILE_BYTES = 1024;

/**
 * Refuses any directory that could reach a disk: a private key must not.
 *
 * @throws BirthmarkError `directory-unusable` when it is missing, `directory-not-tmpfs`
 */
export function requireTmpfs(directory: string): void {
	let type: number;
	try {
		type = statfsSync(directory).type;
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
}

export function tokenPath(directory: string, tokenFile?: string): string {
	return tokenFile ?? join(directory, VolumeFile.token);
}

/**
 * @returns the text of the token file without surrounding white space, not yet parsed
 * @throws BirthmarkError `token-missing`, `directory-unusable`
 */
export function readTokenFile(path: string): string {
	try {
		if (statSync(path).size > MAX_TOKEN_FILE_BYTES) throw new BirthmarkError('token-malformed', `${path} is too large to be a token`);
		return readFileSync(path, 'utf8').trim();
	} catch (cause) {
		if (cause instanceof BirthmarkError) throw cause;
		if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
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
