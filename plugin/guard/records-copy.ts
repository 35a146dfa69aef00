/**
 * The records of another plugin, read while that one writes, is away, or is another version: its
 * database is copied when it has changed, and the copy is opened, and brought to this version, here.
 *
 * SQLite cannot open it where it lies: it follows `/proc/PID/root`, through which the host is seen,
 * as if it were a link like others. Nor does it have to: whoever writes judges himself.
 */

import { copyFileSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { openRecords, type Records } from '../records.ts';

const ATTEMPTS = 20;
/** Two changes may have the same time: that of the kernel's clock tick. */
const SETTLED_MS = 100;

export interface RecordsCopyDeps {
	/** the database of the other plugin */
	readonly source: string;
	/** made and emptied */
	readonly directory: string;
	/** milliseconds since the epoch */
	readonly now: () => number;
}

export interface RecordsCopy {
	/** As they are now. @throws BirthmarkError `engine-unavailable` when they cannot be read */
	current(): Records;
	close(): void;
}

export function createRecordsCopy({ source, directory, now }: RecordsCopyDeps): RecordsCopy {
	rmSync(directory, { recursive: true, force: true });
	mkdirSync(directory, { recursive: true, mode: 0o700 });
	let copy: { readonly records: Records; readonly path: string; readonly of: string; readonly isSettled: boolean } | undefined;
	let number = 0;

	function discard(): void {
		copy?.records.close();
		if (copy) for (const suffix of ['', '-wal', '-shm']) rmSync(copy.path + suffix, { force: true });
		copy = undefined;
	}

	/** Both files as they were at one moment: whatever is written changes the time of one of them. */
	function take(): { path: string; of: string; isSettled: boolean } {
		const path = join(directory, `${number++}.db`);
		for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
			const before = look(source);
			copyFileSync(source, path);
			if (before.hasWal) copyFileSync(`${source}-wal`, `${path}-wal`);
			else rmSync(`${path}-wal`, { force: true });
			if (look(source).state === before.state) return { path, of: before.state, isSettled: now() - before.changedMs > SETTLED_MS };
		}
		throw new Error('the records change too fast');
	}

	return {
		current() {
			try {
				if (copy?.isSettled && look(source).state === copy.of) return copy.records;
				const taken = take();
				const records = openRecords(taken.path);
				discard();
				copy = { ...taken, records };
				return records;
			} catch (cause) {
				throw new BirthmarkError('engine-unavailable', 'the records of the plugin that is being replaced cannot be read; finish with birthmark plugin upgrade --resume', { cause });
			}
		},
		close: discard,
	};
}

function look(source: string): { state: string; changedMs: number; hasWal: boolean } {
	const database = statSync(source, { bigint: true });
	const wal = statSync(`${source}-wal`, { bigint: true, throwIfNoEntry: false });
	return {
		state: [database, wal].map((stat) => (stat ? `${stat.ino} ${stat.size} ${stat.mtimeNs}` : 'none')).join(', '),
		changedMs: Math.max(Number(database.mtimeMs), Number(wal?.mtimeMs ?? 0)),
		hasWal: wal !== undefined,
	};
}
