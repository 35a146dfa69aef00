/**
 * Requests to a CA by the agent's own code, in a process of its own, so that it can run under
 * either runtime and with any environment. Prints `<status> <bytes>` or `<error code> <message>` of the last
 * one, and of several how many sockets are open after them.
 *
 *     node|bun ca-requester.ts REQUEST.json
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { errorCode } from '#common/protocol/errors.ts';
import type { CaAddress } from '../../agent/ca-address.ts';
import { requestCa } from '../../agent/ca-request.ts';
import type { Credentials } from '../../agent/secure-connection.ts';

/** The file: `trust` is PEM or `unverified`. */
export interface RequesterInput {
	readonly address: CaAddress;
	readonly trust: string;
	readonly path?: string;
	readonly credentials?: Credentials;
	/** how often, one after the other; default once */
	readonly times?: number;
	/** default: as in containers */
	readonly timeoutMs?: number;
}

const { address, trust, path = '/v1/roots', credentials, times = 1, timeoutMs } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as RequesterInput;
async function ask(): Promise<string> {
	try {
		const { status, body } = await requestCa(address, {
			method: 'GET',
			path,
			trust: trust === 'unverified' ? trust : Buffer.from(trust),
			signal: new AbortController().signal,
			...(credentials ? { credentials } : {}),
			...(timeoutMs !== undefined && { timeoutMs }),
		});
		return `${status} ${body.length}`;
	} catch (error) {
		return `${errorCode(error)} ${(error as Error).message}`;
	}
}

function openSockets(): number {
	const isSocket = (fd: string): boolean => {
		try {
			return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
		} catch {
			return false; // the one that lists them
		}
	};
	return readdirSync('/proc/self/fd').filter(isSocket).length;
}

const before = openSockets();
let said = '';
for (let count = 0; count < times; count++) said = await ask();
// The runtime closes a socket when its loop comes by.
for (let round = 0; round < 1000 && openSockets() > before; round++) await new Promise((resolve) => setImmediate(resolve));
console.log(times === 1 ? said : `${said} +${openSockets() - before}`);
process.exit();
