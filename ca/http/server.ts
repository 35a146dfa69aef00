/**
 * The listeners of the CA: HTTPS for everybody, a unix socket for whoever operates this machine, and,
 * when it is asked for, plain HTTP for what is signed in itself.
 */

import { constants } from 'node:crypto';
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { closeServer } from '#common/runtime/listen.ts';
import { limitConnections } from './connections.ts';
import { endHandshakes, limitHandshakes } from './handshakes.ts';

/** Key and chain of the server's own certificate, PEM. */
export interface ServerCredentials {
	readonly key: string;
	readonly certificate: string;
}

/** What one client may take. */
export interface ServerLimits {
	/** of all clients together */
	readonly connections: number;
	readonly connectionsPerAddress: number;
	/** for the handshake, and for the head of a request, from its first byte or the connection's */
	readonly headerSeconds: number;
	/** for the whole of it; twice as long may nothing move while the answer is made and sent */
	readonly requestSeconds: number;
}

const FIXED = {
	keepAliveTimeout: 65_000,
	/** How often Node looks for connections that are past their time; by default so rarely that 10 seconds become 40. */
	connectionsCheckingInterval: 1000,
	maxHeaderSize: 16 * 1024,
};
/** On the plain listeners nothing of any size is ever sent, so slow senders get less time there. */
const PUBLIC = { headerSeconds: 5, requestSeconds: 10, keepAliveMs: 10_000 };
/** More than `headerSeconds` can be, which is the limit. */
const HANDSHAKE_TIMEOUT_MS = 120_000;
const CLOSE_GRACE_MS = 5000;
/** How soon a connection goes whose last request was answered while the server was closing: Node would keep it for the next one. */
const CLOSE_SWEEP_MS = 50;
/** AEAD and forward secrecy only; Node's defaults still offer CBC suites on TLS 1.2. The server key is ECDSA. */
const CIPHERS = [
	'TLS_AES_128_GCM_SHA256',
	'TLS_AES_256_GCM_SHA384',
	'TLS_CHACHA20_POLY1305_SHA256',
	'ECDHE-ECDSA-AES128-GCM-SHA256',
	'ECDHE-ECDSA-AES256-GCM-SHA384',
	'ECDHE-ECDSA-CHACHA20-POLY1305',
].join(':');

/**
 * @param bundle PEM: which clients' certificates count
 * @param limits asked at each connection and request: they may be reloaded
 */
export function createTlsServer(listener: RequestListener, credentials: ServerCredentials, bundle: Buffer, limits: () => ServerLimits): HttpsServer {
	const server = createHttpsServer({
		...secureContext(credentials, bundle),
		...FIXED,
		handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
		requestCert: true,
		// Anonymous callers are welcome to some routes: what a certificate is worth is decided per request.
		rejectUnauthorized: false,
		ALPNProtocols: ['http/1.1'],
	}, listener);
	obey(server, limits);
	limitHandshakes(server, () => limits().headerSeconds);
	return server;
}

/** New connections get the new certificate; those that are open stay as they are. */
export function replaceCredentials(server: HttpsServer, credentials: ServerCredentials, bundle: Buffer): void {
	server.setSecureContext(secureContext(credentials, bundle));
}

/** Plain HTTP, to be put on a unix socket. */
export function createAdminServer(listener: RequestListener): HttpServer {
	return createHttpServer({ ...FIXED, headersTimeout: 10_000, requestTimeout: 30_000 }, listener);
}

/** Plain HTTP for everybody. */
export function createPublicServer(listener: RequestListener, limits: () => ServerLimits): HttpServer {
	const { headerSeconds, requestSeconds, keepAliveMs } = PUBLIC;
	const server = createHttpServer({ ...FIXED, keepAliveTimeout: keepAliveMs }, listener);
	obey(server, () => ({
		...limits(),
		headerSeconds: Math.min(headerSeconds, limits().headerSeconds),
		requestSeconds: Math.min(requestSeconds, limits().requestSeconds),
	}));
	return server;
}

function obey(server: HttpServer | HttpsServer, limits: () => ServerLimits): void {
	const apply = (): void => {
		const { connections, headerSeconds, requestSeconds } = limits();
		server.maxConnections = connections;
		server.headersTimeout = headerSeconds * 1000;
		server.requestTimeout = requestSeconds * 1000;
		// Else who does not read the answer keeps it, and the connection, for ever.
		server.timeout = 2 * requestSeconds * 1000;
	};
	apply();
	// Before HTTP has its look at them.
	server.prependListener('connection', apply);
	limitConnections(server, () => limits().connectionsPerAddress);
}

/** Lets requests that are being answered finish, for a while. */
export async function closeGracefully(server: HttpServer | HttpsServer): Promise<void> {
	const deadline = setTimeout(() => {
		server.closeAllConnections();
		endHandshakes(server);
	}, CLOSE_GRACE_MS);
	const sweep = setInterval(() => server.closeIdleConnections(), CLOSE_SWEEP_MS);
	try {
		const closed = closeServer(server);
		server.closeIdleConnections();
		await closed;
	} finally {
		clearTimeout(deadline);
		clearInterval(sweep);
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
