/**
 * How far an upgrade is: durable, so that it can be resumed or undone after a crash at any moment,
 * and the permit by which the plugins know its calls. Both are root's alone.
 */

import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';

export interface UpgradeState {
	readonly version: 1;
	/** name of the plugin that is replaced, and its id, which stays */
	readonly plugin: string;
	readonly pluginId: string;
	readonly guard: string;
	/** reference of the version that was there; empty for one that came from no registry */
	readonly from: string;
	readonly to: string;
	/** the next step */
	readonly step: number;
	/** authorization chain before */
	readonly chain: readonly string[];
	/** settings before, `NAME=value`, without the join token: it has been used */
	readonly settings: readonly string[];
	/** source of its mount "run" */
	readonly run: string;
	/** set when going back: why */
	readonly undoing?: string;
}

export interface StateFile {
	/** undefined when no upgrade is under way */
	read(): UpgradeState | undefined;
	write(state: UpgradeState): Promise<void>;
	remove(): void;
}

export function createStateFile(path: string): StateFile {
	return {
		read() {
			if (!existsSync(path)) return undefined;
			const state = parse(path);
			if (state.version !== 1) throw new BirthmarkError('config-invalid', `${path} was written by another version of this command; finish the upgrade with that one`);
			return state;
		},
		async write(state) {
			mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
			await writeFileAtomic(path, JSON.stringify(state, undefined, '\t') + '\n', 0o600);
		},
		remove: () => rmSync(path, { force: true }),
	};
}

export interface Permit {
	readonly secret: string;
	remove(): void;
}

/** Anew for each run of the command; one that was left by another is replaced. */
export async function writePermit(path: string): Promise<Permit> {
	const secret = randomBytes(32).toString('hex');
	mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
	chmodSync(dirname(path), 0o700);
	await writeFileAtomic(path, secret, 0o600);
	return { secret, remove: () => rmSync(path, { force: true }) };
}

function parse(path: string): UpgradeState {
	try {
		return JSON.parse(readFileSync(path, 'utf8')) as UpgradeState;
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `${path} cannot be read; look at the chain in daemon.json and at docker plugin ls, and remove it`, { cause });
	}
}
