/**
 * As much of Bun's own TLS sockets (bun.com/docs/runtime/networking/tcp) as the agent uses when it runs on
 * Bun. They verify the other side's certificate: chain, dates, purpose, and a server's name.
 */

export interface Bun {
	connect(options: ({ readonly unix: string } | { readonly hostname: string; readonly port: number } | { readonly fd: number }) & { readonly tls?: BunTls; readonly socket: BunHandlers }): Promise<BunSocket>;
}

/** PEM throughout. */
export interface BunTls {
	readonly key?: string;
	readonly cert?: string;
	readonly ca?: Buffer;
	/** what a server's certificate has to be for */
	readonly serverName?: string;
	readonly requestCert?: boolean;
	readonly rejectUnauthorized: boolean;
}

export interface BunSocket {
	/** true when the other side's certificate was verified */
	readonly authorized: boolean;
	/** @returns how much of it was taken, a negative number when the connection has gone */
	write(bytes: Buffer): number;
	/** @returns the socket itself and the TLS on it */
	upgradeTLS(options: { readonly isServer: true; readonly tls: BunTls; readonly socket: BunHandlers }): readonly [BunSocket, BunSocket];
	close(): void;
}

export interface BunHandlers {
	open?(socket: BunSocket): void;
	/** @param error why the other side's certificate was not verified, or there is no connection */
	handshake?(socket: BunSocket, isDone: boolean, error: Error | null | undefined): void;
	data(socket: BunSocket, bytes: Buffer): void;
	drain?(socket: BunSocket): void;
	end?(socket: BunSocket): void;
	close?(socket: BunSocket, error?: Error): void;
	error?(socket: BunSocket, error: Error): void;
	connectError?(socket: BunSocket, error: Error): void;
}

/** @returns undefined when the agent runs on something else */
export function loadBun(): Bun | undefined {
	return (globalThis as { readonly Bun?: Bun }).Bun;
}

/**
 * To be asked once the handshake is over.
 *
 * @returns why the other side has not proved to be who it should be, with a `code`; undefined when it has
 */
export function peerFault(socket: BunSocket, error: Error | null | undefined): Error | undefined {
	return error ?? (socket.authorized ? undefined : new Error('the certificate was not verified'));
}
