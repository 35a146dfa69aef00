/**
 * A directory that is held by its descriptor: names in it are looked up there, whatever has been put in
 * place of its path meanwhile (openat(2), by way of /proc/self/fd, proc_pid_fd(5)). The application may be
 * able to change what lies in the identity directory, and must not be able to lead the agent elsewhere.
 * Where there is no /proc the agent is confined to that directory (confine.ts), and nothing in it leads out.
 */

import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

export interface HeldDirectory {
	/** for node:fs; good until it is closed */
	at(name: string): string;
	readonly fd: number;
	close(): void;
}

/** @throws Error with the system's `code` */
export function holdDirectory(path: string): HeldDirectory {
	return hold(path, O_RDONLY | O_DIRECTORY);
}

/** A directory in a held one, and no link to one. @throws Error with the system's `code`: `ENOTDIR`, `ELOOP`, `ENOENT` … */
export function holdWithin(directory: HeldDirectory, name: string): HeldDirectory {
	return hold(directory.at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/**
 * Reads a file of which nobody knows who put it there: no link, no pipe that keeps the reader waiting.
 *
 * @throws Error with the system's `code`; `EFBIG` beyond `maxBytes`, `EINVAL` for anything but a file
 */
export function readOrdinaryFile(path: string, maxBytes: number, flags = O_NOFOLLOW): Buffer {
	const file = openSync(path, O_RDONLY | O_NONBLOCK | flags);
	try {
		const status = fstatSync(file);
		if (!status.isFile()) throw systemError('EINVAL', `${path} is not a file`);
		if (status.size > maxBytes) throw systemError('EFBIG', `${path} is larger than ${maxBytes} bytes`);
		const data = Buffer.allocUnsafe(status.size);
		// No further, though it may have grown since.
		return data.subarray(0, readSync(file, data, 0, data.length, 0));
	} finally {
		closeSync(file);
	}
}

function hold(path: string, flags: number): HeldDirectory {
	const fd = openSync(path, flags);
	const handle = `/proc/self/fd/${fd}`;
	const base = existsSync(handle) ? handle : path;
	return {
		at: (name) => `${base}/${name}`,
		fd,
		close: () => closeSync(fd),
	};
}

function systemError(code: string, message: string): Error {
	return Object.assign(new Error(message), { code });
}
