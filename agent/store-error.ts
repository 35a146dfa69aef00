/** What the system says of the identity directory, in a sentence that says what to do. */

import { BirthmarkError } from '#common/protocol/errors.ts';

const IN_THE_WAY: readonly string[] = ['EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST', 'ELOOP'];

/** @returns `directory-full` or `directory-unusable`; an error of ours as it is */
export function storeError(directory: string, cause: unknown): BirthmarkError {
	if (cause instanceof BirthmarkError) return cause;
	const code = systemCode(cause);
	if (code === 'ENOSPC' || code === 'EDQUOT') {
		return new BirthmarkError('directory-full', `${directory} is full: remove what does not belong there, or give it more room (labels birthmark.size and birthmark.inodes)`, { cause });
	}
	return new BirthmarkError('directory-unusable', `${directory} cannot be used (${code}): ${remedy(code)}`, { cause });
}

export function systemCode(cause: unknown): string {
	return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown failure';
}

function remedy(code: string): string {
	if (code === 'EROFS') return 'it is mounted read-only; mount the volume without readonly';
	if (IN_THE_WAY.includes(code)) return 'something else has one of the names that the agent uses; remove what does not belong there';
	return 'run the agent as the container\'s user, before any program that becomes another';
}
