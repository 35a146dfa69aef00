/** The engine's daemon.json as a file: whole at any moment, its mode and owner kept, a link to it a link. */

import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic, writeWhole } from '#common/runtime/atomic-file.ts';

export interface DaemonFile {
	readonly path: string;
	/** undefined when there is none @throws BirthmarkError `config-invalid` when it cannot be read */
	read(): string | undefined;
	/** @throws BirthmarkError `setup-failed`; the file is as it was */
	write(text: string): Promise<void>;
	/** Copies what it holds to a file beside it. @returns its path @throws BirthmarkError `setup-failed` */
	backUp(text: string): string;
	remove(): void;
	/** Copies of which the oldest is what the file holds now: nothing is in them that is not there. */
	removeBackups(paths: readonly string[]): void;
}

export function createDaemonFile(path: string, now: () => Date): DaemonFile {
	const refused = (cause: unknown): never => {
		throw new BirthmarkError('setup-failed', `${path} cannot be changed: ${(cause as Error).message}`, { cause });
	};
	const read = (): string | undefined => {
		try {
			return readFileSync(path, 'utf8');
		} catch (cause) {
			if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
			throw new BirthmarkError('config-invalid', `${path} cannot be read: ${(cause as Error).message}; mend it first`, { cause });
		}
	};
	return {
		path,
		read,
		async write(text) {
			try {
				if (read() !== undefined) return await writeWhole(path, text);
				mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
				await writeFileAtomic(path, text, 0o644);
			} catch (cause) {
				refused(cause);
			}
		},
		backUp(text) {
			const copy = `${path}.${now().toISOString().replaceAll(':', '-')}.bak`;
			try {
				writeFileSync(copy, text, { mode: 0o600, flag: 'wx', flush: true });
				return copy;
			} catch (cause) {
				return refused(cause);
			}
		},
		remove: () => rmSync(path, { force: true }),
		removeBackups([oldest, ...others]) {
			if (oldest === undefined || readIfThere(oldest) !== read()) return;
			for (const copy of [oldest, ...others]) rmSync(copy, { force: true });
		},
	};
}

function readIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, 'utf8');
	} catch {
		return undefined;
	}
}
