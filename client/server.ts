/** Servers that follow the identity: the next handshake has the new one, and who is connected stays so. */

import type { EventEmitter } from 'node:events';
import type { SecureContextOptions, TlsOptions, TLSSocket } from 'node:tls';
import type { Followed } from './followed.ts';
import type { Identity } from './identity.ts';

/** A `tls.Server`, `https.Server` or `http2.Http2SecureServer`. */
export type FollowableServer = EventEmitter & { setSecureContext(options: SecureContextOptions): void };

export function serverOptions(identity: Identity): TlsOptions {
	return { ...identity.tlsOptions, requestCert: true, rejectUnauthorized: true };
}

export function followServer<S extends FollowableServer>(watch: Followed, server: S): S {
	const use = ({ tlsOptions }: Identity): void => server.setSecureContext(tlsOptions);
	// The identity may be another one since the server's options were made.
	use(watch.current);
	watch.on('change', use);
	server.on('secureConnection', (socket: TLSSocket) => watch.track(socket));
	server.on('close', () => watch.off('change', use));
	return server;
}
