/** Tells when names in a directory change, by looking: for where the kernel gives no watch. */

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { DirectoryWatch } from './directory-watch.ts';
import { systemCode } from './identity.ts';

export interface DirectoryLookOptions {
	readonly names: readonly string[];
	readonly intervalMs: number;
	readonly onChange: () => void;
	/** after each look */
	readonly onLook: () => void;
}

export function lookAtDirectory(directory: string, { names, intervalMs, onChange, onLook }: DirectoryLookOptions): DirectoryWatch {
	// Whatever takes the place of a file or a link has another number, or another time.
	const look = (): string => names.map((name) => {
		try {
			const { ino, ctimeNs } = lstatSync(join(directory, name), { bigint: true });
			return `${ino} ${ctimeNs}`;
		} catch (cause) {
			// Whoever reads it then is told the same, and says so.
			return systemCode(cause);
		}
	}).join();
	let seen = look();
	const timer = setInterval(() => {
		const now = look();
		const isChanged = now !== seen;
		seen = now;
		if (isChanged) onChange();
		onLook();
	}, intervalMs).unref();
	return { ref: () => void timer.ref(), unref: () => void timer.unref(), close: () => clearInterval(timer) };
}
