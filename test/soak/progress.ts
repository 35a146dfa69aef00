/** A sign of life in a soak that takes an hour; a short run says nothing. */

const EVERY = 10;

export function sayProgress(done: number, all: number, every = EVERY): void {
	if (all > every && done % every === 0) process.stderr.write(`${new Date().toISOString()} ${done} of ${all}\n`);
}
