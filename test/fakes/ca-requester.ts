/**
 * One request to a CA by the agent's own code, in a process of its own, so that it can run under
 * either runtime and with any environment. Prints `<status> <bytes>` or `<error code> <message>`.
 *
 *     node|bun ca-requester.ts REQUEST.json
 */

import { readFileSync } from 'node:fs';
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
}

const { address, trust, path = '/v1/roots', credentials } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as RequesterInput;
try {
	const { status, body } = await requestCa(address, {
		method: 'GET',
		path,
		trust: trust === 'unverified' ? trust : Buffer.from(trust),
		signal: new AbortController().signal,
		...(credentials ? { credentials } : {}),
	});
	console.log(status, body.length);
} catch (error) {
	console.log(errorCode(error), (error as Error).message);
}
process.exit();
