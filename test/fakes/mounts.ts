/** Mounting without a kernel: a directory of the test stands for each tmpfs. */

import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';

export class FakeMounts {
	readonly directory: string;
	/** how often each volume was mounted anew */
	readonly mountings: string[] = [];
	fails = false;

	constructor(directory: string) {
		this.directory = directory;
	}

	path = (volume: string): string => join(this.directory, volume);

	async mount(volume: string): Promise<void> {
		if (this.fails) throw new BirthmarkError('mount-failed');
		this.mountings.push(volume);
		mkdirSync(this.path(volume));
	}

	async unmount(volume: string): Promise<void> {
		rmSync(this.path(volume), { recursive: true, force: true });
	}

	async restore(volume: string): Promise<boolean> {
		return existsSync(this.path(volume));
	}

	async present(): Promise<string[]> {
		return readdirSync(this.directory);
	}
}
