/**
 * The one way past the rules about plugins: `birthmark plugin upgrade`, run by root on the host. It
 * writes a secret where only root can read it, below the directory that no container may bind, and
 * sends it with its calls (docs/adr/0026). The command removes the file when it is done.
 */

import { timingSafeEqual } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { PERMIT_HEADER } from '#common/protocol/plugin-upgrade.ts';
import type { EngineCall } from './engine-call.ts';

const SECRET = /^[0-9a-f]{64}\n?$/;
/** A forgotten file is no key for ever. */
const MAX_AGE_MS = 60 * 60_000;

/** What the upgrade has to do, with paths as the engine routes them; the name of a plugin may have that of its registry in it. */
const PERMITTED = [/^POST \/plugins\/(?:pull|.+\/(?:set|enable|disable|upgrade))$/, /^DELETE \/plugins\/.+$/, /^DELETE \/volumes\/[a-zA-Z0-9_.-]+-sentinel$/];

export interface PermitDeps {
	/** the file, as the plugin sees it */
	readonly path: string;
	/** milliseconds since the epoch */
	readonly now: () => number;
	/** of the file; another one is not believed */
	readonly uid: number;
}

/** @returns true for a call that carries the secret of the file, when that is one that nobody but root can have written and read */
export async function isPermitted({ path, now, uid }: PermitDeps, { method, path: route, headers }: Pick<EngineCall, 'method' | 'path' | 'headers'>): Promise<boolean> {
	const given = headers[PERMIT_HEADER];
	if (given === undefined || !PERMITTED.some((pattern) => pattern.test(`${method} ${route}`))) return false;
	let file;
	try {
		file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
		const { uid: owner, mode, mtimeMs, size } = await file.stat();
		const isRoots = (mode & constants.S_IFMT) === constants.S_IFREG && owner === uid && (mode & 0o077) === 0;
		if (!isRoots || size > 65 || Math.abs(now() - mtimeMs) > MAX_AGE_MS) return false;
		const text = await file.readFile('utf8');
		return SECRET.test(text) && SECRET.test(given) && timingSafeEqual(Buffer.from(given.trim()), Buffer.from(text.trim()));
	} catch {
		return false;
	} finally {
		await file?.close();
	}
}
