/**
 * The user that a container runs as, hence the owner of its identity directory: `USER` of the image or
 * of the request, looked up in the image's /etc/passwd and /etc/group as the engine does it when the
 * container starts (moby/sys, user.GetExecUser, before that runc's libcontainer/user). Supplementary
 * groups own nothing.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';

export interface Owner {
	readonly uid: number;
	readonly gid: number;
}

/** /etc/passwd (passwd(5)) and /etc/group (group(5)) of an image; empty where it has none. */
export interface UserFiles {
	readonly passwd: string;
	readonly group: string;
}

/** Go's strconv.Atoi */
const NUMBER = /^[+-]?[0-9]{1,18}$/;
/** what the engine takes */
const MAX_ID = 0x7fffffff;

/** @returns the owner where `user` alone says it: nothing, root, or two numbers; undefined where the image has to be asked */
export function plainOwner(user: string): Owner | undefined {
	const [name = '', group = ''] = user.split(':');
	const isRoot = name === '' || name === 'root' || name === '0';
	if (group === '') return isRoot ? { uid: 0, gid: 0 } : undefined;
	if (!NUMBER.test(group) || !(isRoot || NUMBER.test(name))) return undefined;
	return { uid: isRoot ? 0 : inRange(user, Number(name)), gid: inRange(user, Number(group)) };
}

/**
 * @param user `user[:group]`, names or numbers
 * @throws BirthmarkError `label-missing` for a user or a group that the engine would not find either
 */
export function lookUpUser(user: string, files: UserFiles): Owner {
	const [name = '', group = ''] = user.split(':');
	const entry = lines(files.passwd).find((fields) => {
		if (name === '') return number(fields[2]) === 0;
		return NUMBER.test(name) ? number(fields[2]) === Number(name) : fields[0] === name;
	});
	if (!entry && name !== '' && !NUMBER.test(name)) throw unknown(user, 'user', name, '/etc/passwd');
	const uid = inRange(user, entry ? number(entry[2]) : Number(name));
	if (group === '') return { uid, gid: inRange(user, entry ? number(entry[3]) : 0) };
	const found = lines(files.group).find((fields) => (NUMBER.test(group) ? number(fields[2]) === Number(group) : fields[0] === group));
	if (!found && !NUMBER.test(group)) throw unknown(user, 'group', group, '/etc/group');
	return { uid, gid: inRange(user, found ? number(found[2]) : Number(group)) };
}

/** Fields of each line that is not empty. */
function lines(text: string): string[][] {
	return text.split('\n').map((line) => line.trim()).filter((line) => line !== '').map((line) => line.split(':'));
}

/** What is no number counts as 0 there. */
function number(field: string | undefined): number {
	return field !== undefined && NUMBER.test(field) ? Number(field) : 0;
}

function inRange(user: string, id: number): number {
	if (id >= 0 && id <= MAX_ID) return id;
	throw new BirthmarkError('label-missing', `the container runs as ${quote(user)}, which is no user: numbers go from 0 to ${MAX_ID}`);
}

function unknown(user: string, what: string, name: string, file: string): BirthmarkError {
	return new BirthmarkError(
		'label-missing',
		`the container runs as ${quote(user)}, and the image has no ${what} ${quote(name)} in its ${file}; run it with --user UID:GID, or add the user to the image`,
	);
}
