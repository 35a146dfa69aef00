/**
 * How an identity is written: the labels `birthmark.formats` and `birthmark.key-mode`, and for whom the files
 * are when the agent runs as another user. They reach the agent in `agent.json` as texts; plugin and agent
 * read them by these same functions.
 */

/** Beside PEM, which is always there. */
export const FORMATS = ['pem', 'pkcs12', 'haproxy', 'der', 'nginx'] as const;
export type Format = (typeof FORMATS)[number];

/** Owner and group of files, as numbers of the container. */
export interface FileOwner {
	readonly uid: number;
	readonly gid: number;
}

/** Permission bits of files that hold a key or what opens one. */
export const DEFAULT_KEY_MODE = 0o600;
const KEY_MODE = /^0?[46][04]0$/;
/** Linux keeps 2^32-1 for "no id". */
export const MAX_ID = 0xfffffffe;

/**
 * @param text separated by commas, each at most once
 * @param refuse makes an error of a reason, half a sentence
 */
export function parseFormats(text: string, refuse: (why: string) => Error): readonly Format[] {
	const names = text.split(',').map((name) => name.trim());
	const formats = names.map((name) => {
		const format = FORMATS.find((known) => known === name);
		if (format === undefined) throw refuse(`use ${FORMATS.join(', ')}, separated by commas`);
		return format;
	});
	if (new Set(formats).size < formats.length) throw refuse('a format is in it twice');
	return formats;
}

/** Read by the owner, and by the group if it says so; never by others, never run. */
export function parseKeyMode(text: string, refuse: (why: string) => Error): number {
	if (!KEY_MODE.test(text)) throw refuse('a key is read by its owner and at most its group; use 0600, 0640, 0400 or 0440');
	return Number.parseInt(text, 8);
}

/** @returns for the group as well? */
export function isForGroup(mode: number): boolean {
	return (mode & 0o040) !== 0;
}

export function formatOwner({ uid, gid }: FileOwner): string {
	return `${uid}:${gid}`;
}

/** `uid:gid` */
export function parseOwner(text: string, refuse: (why: string) => Error): FileOwner {
	const [uid = Infinity, gid = Infinity] = (/^([0-9]{1,10}):([0-9]{1,10})$/.exec(text) ?? []).slice(1).map(Number);
	if (uid > MAX_ID || gid > MAX_ID) throw refuse('use two numbers, UID:GID');
	return { uid, gid };
}
