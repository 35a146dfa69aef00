/**
 * Ids of a container's users on the host. They are the same, unless the engine runs its containers in a
 * user namespace (`userns-remap`): then 0 in the container is the first id of a range on the host, by
 * which the engine also names its data root (moby, daemon/daemon_unix.go setupDaemonRoot), and the range
 * stands in /etc/subuid and /etc/subgid (subuid(5)).
 */

import { readFile } from 'node:fs/promises';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { EngineInfo } from '../docker.ts';
import type { Owner } from './user-lookup.ts';

export interface IdMappingDeps {
	readonly engine: { info(): Promise<EngineInfo> };
	/** where the host's file system is seen */
	readonly hostRoot: string;
}

interface Range {
	readonly start: number;
	readonly count: number;
}

/** What user-namespace tools hand out. */
const USUAL_COUNT = 65_536;
/** A text of a few lines. */
const MAX_LENGTH = 1024 * 1024;

/** @throws BirthmarkError `label-illegal` for an id that has none on the host, `engine-unavailable` */
export type OnHost = (owner: Owner) => Promise<Owner>;

export function createIdMapping({ engine, hostRoot }: IdMappingDeps): OnHost {
	let known: Promise<{ readonly uids: Range; readonly gids: Range } | undefined> | undefined;

	async function learn(): Promise<{ readonly uids: Range; readonly gids: Range } | undefined> {
		const { DockerRootDir, SecurityOptions } = await engine.info();
		if (!SecurityOptions?.some((option) => option.split(',').includes('name=userns'))) return undefined;
		const [, uid, gid] = /\/([0-9]+)\.([0-9]+)$/.exec(DockerRootDir) ?? [];
		if (uid === undefined || gid === undefined) {
			throw new BirthmarkError('engine-unavailable', 'the engine has user namespaces and does not say which ids are theirs; its data root should end in UID.GID');
		}
		return { uids: await rangeFrom(Number(uid), `${hostRoot}/etc/subuid`), gids: await rangeFrom(Number(gid), `${hostRoot}/etc/subgid`) };
	}

	return async (owner) => {
		known ??= learn().catch((error: unknown) => {
			known = undefined;
			throw error;
		});
		const ranges = await known;
		return ranges ? { uid: shift('user', owner.uid, ranges.uids), gid: shift('group', owner.gid, ranges.gids) } : owner;
	};
}

/** Of several ranges of one user only the first counts: ids beyond it are rare, and are refused. */
async function rangeFrom(start: number, path: string): Promise<Range> {
	const text = await readFile(path, 'utf8').catch(() => '');
	const counts = text.slice(0, MAX_LENGTH).split('\n').map((line) => line.split(':')).filter((fields) => Number(fields[1]) === start).map((fields) => Number(fields[2]));
	return { start, count: counts.find((count) => Number.isInteger(count) && count > 0) ?? USUAL_COUNT };
}

function shift(what: string, id: number, { start, count }: Range): number {
	if (id < count) return start + id;
	throw new BirthmarkError('label-illegal', `the ${what} ${id} of the container has no id on the host, whose user namespaces have ${count}; use a smaller one (--user UID:GID, or birthmark.uid and birthmark.gid)`);
}
