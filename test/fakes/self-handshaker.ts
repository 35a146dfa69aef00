/**
 * The handshake with oneself by Bun's sockets, several times, in a process that runs on Bun. Prints what came of
 * the last one and how many descriptors more are open than before.
 *
 *     bun self-handshaker.ts LIBRARY CREDENTIALS.json
 */

import { readdirSync, readFileSync } from 'node:fs';
import { loadBun } from '../../agent/bun.ts';
import type { Native } from '../../agent/native.ts';
import { shakeHandsOnBun } from '../../agent/self-handshake-bun.ts';

/** The file, PEM. */
export interface SelfHandshakerInput {
	readonly key: string;
	readonly chain: string;
	readonly bundle: string;
	readonly serverName: string;
}

const TIMES = 10;

const [library, file] = process.argv.slice(2) as [string, string];
const { key, chain, bundle, serverName } = JSON.parse(readFileSync(file, 'utf8')) as SelfHandshakerInput;
const module = { exports: {} };
process.dlopen(module, library);
const deps = { bun: loadBun()!, native: module.exports as Native };
const opened = (): number => readdirSync('/proc/self/fd').length;

async function shake(): Promise<string> {
	try {
		await shakeHandsOnBun(deps, { key, chain, bundle: Buffer.from(bundle) }, serverName, AbortSignal.timeout(5_000));
		return 'good';
	} catch (error) {
		return (error as Error).message;
	}
}

// What the runtime itself opens the first time.
await shake();
const before = opened();
let result = '';
for (let count = 0; count < TIMES; count++) result = await shake();
// The runtime closes a socket when its loop comes by.
for (let round = 0; round < 1000 && opened() > before; round++) await new Promise((resolve) => setImmediate(resolve));
console.log(`${result} +${opened() - before}`);
process.exit();
