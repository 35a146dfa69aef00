/**
 * The listeners of the CA: HTTPS for everybody, a unix socket for whoever operates this machine, and,
 * when it is asked for, plain HTTP for what is signed in itself.
 */

import { constants } from 'node:crypto';
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { closeServer } from '#common/runtime/listen.ts';

/** Key and chain of the server's own certificate, PEM. */
export interface ServerCredentials {
	readonly key: string;
	readonly certificate: string;
}

const LIMITS = {
	headersTimeout: 10_000,
	requestTimeout: 30_000,
	keepAliveTimeout: 65_000,
	/** How often Node looks for connections that are past these; by default so rarely that 10 seconds become 40. */
	connectionsCheckingInterval: 5000,
	maxHeaderSize: 16 * 1024,
};
/** No longer than {@link CLOSE_GRACE_MS}: a connection that is not yet TLS cannot be closed in any other way. */
const HANDSHAKE_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 8192;
const CLOSE_GRACE_MS = 5000;
/** AEAD and forward secrecy only; Node's defaults still offer CBC suites on TLS 1.2. The server key is ECDSA. */
const CIPHERS = [
	'TLS_AES_128_GCM_SHA256',
	'TLS_AES_256_GCM_SHA384',
	'TLS_CHACHA20_POLY1305_SHA256',
	'ECDHE-ECDSA-AES128-GCM-SHA256',
	'ECDHE-ECDSA-AES256-GCM-SHA384',
	'ECDHE-ECDSA-CHACHA20-POLY1305',
].join(':');

/** @param bundle PEM: which clients' certificates count */
export function createTlsServer(listener: RequestListener, credentials: ServerCredentials, bundle: Buffer): HttpsServer {
	const server = createHttpsServer({
		...secureContext(credentials, bundle),
		...LIMITS,
		handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
		requestCert: true,
		// Anonymous callers are welcome to some routes: what a certificate is worth is decided per request.
		rejectUnauthorized: false,
		ALPNProtocols: ['http/1.1'],
	}, listener);
	server.maxConnections = MAX_CONNECTIONS;
	return server;
}

/** New connections get the new certificate; those that are open stay as they are. */
export function replaceCredentials(server: HttpsServer, credentials: ServerCredentials, bundle: Buffer): void {
	server.setSecureContext(secureContext(credentials, bundle));
}

/** Plain HTTP, to be put on a unix socket. */
export function createAdminServer(listener: RequestListener): HttpServer {
	return createHttpServer(LIMITS, listener);
}

/** Plain HTTP for everybody. Nothing of any size is ever sent to it, so slow senders get less time than elsewhere. */
export function createPublicServer(listener: RequestListener): HttpServer {
	const server = createHttpServer({ ...LIMITS, headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 10_000 }, listener);
	server.maxConnections = MAX_CONNECTIONS;
	return server;
}

/** Lets requests that are being answered finish, for a while. */
export async function closeGracefully(server: HttpServer | HttpsServer): Promise<void> {
	const deadline = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
	try {
		const closed = closeServer(server);
		server.closeIdleConnections();
		await closed;
	} finally {
		clearTimeout(deadline);
	}
}

function secureContext({ key, certificate }: ServerCredentials, bundle: Buffer): SecureContextOptions {
	return {
		key,
		cert: certificate,
		ca: bundle,
		ciphers: CIPHERS,
		honorCipherOrder: true,
		minVersion: 'TLSv1.2',
		// Without tickets nobody resumes a session, so every connection shows its certificate anew.
		secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
	};
}
