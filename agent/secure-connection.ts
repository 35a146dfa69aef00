/**
 * One TLS connection to the CA, as much of it as a request needs. The agent runs on Bun, whose own sockets
 * it uses there: the module that Node's programs use takes the runtime as long to load as the CA takes for a
 * certificate. Under Node, where most of the tests run, it is that module. What either must refuse is one
 * list (test/unit/agent/ca-request.test.ts).
 */

import { loadBun } from './bun.ts';
import type { CaAddress } from './ca-address.ts';
import { openOnBun } from './secure-connection-bun.ts';
import { openOnNode } from './secure-connection-node.ts';

/** Key and certificate for mTLS, PEM. */
export interface Credentials {
	readonly key: string;
	/** leaf first */
	readonly chain: string;
}

export interface SecureConnectionOptions {
	readonly address: CaAddress;
	/** what the server's certificate must be for */
	readonly serverName: string;
	/** the trust bundle (PEM) that the server must chain to; `unverified` for nothing that is secret or believed */
	readonly trust: Buffer | 'unverified';
	readonly credentials: Credentials | undefined;
}

/** None of them is called before {@link openSecureConnection} has returned. */
export interface SecureConnectionEvents {
	/** somebody has accepted the connection and has their part of the handshake to do */
	readonly connected: () => void;
	/** the server has proved who it is, unless it need not: only now anything may be sent */
	readonly secure: () => void;
	readonly data: (bytes: Buffer) => void;
	/** the connection is over, for whatever reason; what the runtime's code says is in `code` */
	readonly failed: (error: Error) => void;
}

export interface SecureConnection {
	/** All of it is sent, sooner or later. */
	write(text: string): void;
	/** Nothing is called any more. */
	close(): void;
}

export function openSecureConnection(options: SecureConnectionOptions, events: SecureConnectionEvents): SecureConnection {
	const bun = loadBun();
	return bun ? openOnBun(bun, options, events) : openOnNode(options, events);
}
