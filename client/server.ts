/** Servers that follow the identity: new connections meet the new one, those that are there end in peace. */

import { constants, type ServerHttp2Session } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import type { Identity } from './identity.ts';

/** As much of a watch as is needed. */
export interface Followed {
	readonly current: Identity;
	on(event: 'change', listener: (identity: Identity) => void): unknown;
	off(event: 'change', listener: (identity: Identity) => void): unknown;
}

/** A `tls.Server`, `https.Server` or `http2.Http2SecureServer`. */
export interface FollowableServer {
	setSecureContext(options: SecureContextOptions): void;
	// Of the events that are listened to each kind of server has some.
	on(event: string, listener: (...args: never[]) => void): unknown;
	prependListener(event: string, listener: (...args: never[]) => void): unknown;
}

export interface FollowServerOptions {
	/**
	 * Whether kept connections end after each change, when what is under way on them is answered, so that
	 * whoever was revoked or has a new certificate shakes hands again; default true.
	 */
	readonly retire?: boolean;
}

/** RFC 9113 §6.8: the highest there can be announces the end without refusing what is on its way. */
const ANY_STREAM = 2 ** 31 - 1;

export function serverOptions(identity: Identity): TlsOptions {
	return { ...identity.tlsOptions, requestCert: true, rejectUnauthorized: true };
}

export function followServer<S extends FollowableServer>(watch: Followed, server: S, { retire = true }: FollowServerOptions = {}): S {
	const use = ({ tlsOptions }: Identity): void => server.setSecureContext(tlsOptions);
	// The identity may be another one since the server's options were made.
	use(watch.current);
	watch.on('change', use);
	server.on('close', () => watch.off('change', use));
	if (retire) {
		retireConnections(watch, server);
		retireSessions(watch, server);
	}
	return server;
}

/** HTTP/1.1: the answer to the next request on an old connection says that it is the last (RFC 9112 §9.6). */
function retireConnections(watch: Followed, server: FollowableServer): void {
	const since = new WeakMap<object, Identity>();
	server.on('secureConnection', (socket: object) => since.set(socket, watch.current));
	server.prependListener('request', ({ socket, httpVersionMajor }: IncomingMessage, response: ServerResponse) => {
		if (httpVersionMajor === 1 && since.get(socket) !== watch.current) response.shouldKeepAlive = false;
	});
}

/** HTTP/2: announced first, closed when the client has heard it, so that no request falls between (RFC 9113 §6.8). */
function retireSessions(watch: Followed, server: FollowableServer): void {
	const sessions = new Set<ServerHttp2Session>();
	server.on('session', (session: ServerHttp2Session) => {
		sessions.add(session);
		session.once('close', () => sessions.delete(session));
	});
	const retire = (): void => {
		for (const session of sessions) {
			sessions.delete(session);
			if (session.closed || session.destroyed) continue;
			session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
			session.ping(() => session.close());
		}
	};
	watch.on('change', retire);
	server.on('close', () => watch.off('change', retire));
}
