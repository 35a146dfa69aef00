/** Is a CA there, and does it take requests? */

import { request } from 'node:https';

const TIMEOUT_MS = 2_000;

/** @param url of the CA. Whether it is the right one is decided later, by the bundle's digest; here only whether one answers. */
export function isReady(url: string): Promise<boolean> {
	return new Promise((resolve) => {
		const call = request(new URL('/readyz', url), { agent: false, rejectUnauthorized: false, timeout: TIMEOUT_MS }, (answer) => {
			answer.resume();
			resolve(answer.statusCode === 200);
		});
		call.on('timeout', () => call.destroy());
		call.on('error', () => resolve(false));
		call.end();
	});
}
