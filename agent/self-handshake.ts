/**
 * The identity put to use before anyone sees it: a mutual TLS handshake with itself, in memory.
 *
 * Both ends present the new certificate and trust the bundle only, so that the TLS library decides
 * whether key and certificate belong together, the chain builds, dates and key usages hold as
 * client *and* as server, and the name is in it. Of a certificate for clients only, the end that is the
 * client is checked. Path validation is not written by hand here (RFC 5280 §6 has too many ways to be
 * nearly right).
 */

import { loadBun } from './bun.ts';
import type { Identity } from './identity.ts';
import { loadNative } from './native.ts';
import { shakeHandsOnBun } from './self-handshake-bun.ts';
import { shakeHandsOnNode } from './self-handshake-node.ts';

/** Without key and chain there is nothing to show, and the handshake fails. */
export type Credentials = Pick<Identity, 'bundle'> & Partial<Pick<Identity, 'key' | 'chain'>>;

const TIMEOUT_MS = 5_000;

/**
 * @param serverName a DNS name that the certificate must be valid for; undefined for one that is for clients only
 * @throws the TLS library's error, whichever end found the fault
 */
export async function shakeHandsWithSelf(credentials: Credentials, serverName: string | undefined): Promise<void> {
	const tooLong = new AbortController();
	const timer = setTimeout(() => tooLong.abort(new Error('the handshake took too long')), TIMEOUT_MS);
	try {
		const [bun, native] = [loadBun(), loadNative()];
		if (bun && native) await shakeHandsOnBun({ bun, native }, credentials, serverName, tooLong.signal);
		else await shakeHandsOnNode(credentials, serverName, tooLong.signal);
	} finally {
		clearTimeout(timer);
	}
}
