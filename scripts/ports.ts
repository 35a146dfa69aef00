/** TCP ports on the loopback interface. */

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

export function portIsFree(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const server = createServer();
		server.once('error', () => resolve(false));
		server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
	});
}

/** Below those that the kernel gives to whoever does not care: others listen and connect while nobody is at ours. */
const FIRST = 20_000;
const COUNT = 12_000;

/** A port that was free a moment ago, and that nobody gets by chance, so that a server may go and come back. */
export async function freePort(): Promise<number> {
	for (;;) {
		const port = FIRST + randomInt(COUNT);
		if (await portIsFree(port)) return port;
	}
}
