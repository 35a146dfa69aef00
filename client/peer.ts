/** Who is at the other end of a connection, as its verified certificate says, and whether that one may be. */

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { createCheck, type PeerMatcher } from './matcher.ts';
import { partyOf, type Party } from './party.ts';

/** As much of a `TLSSocket` as is needed; also what http2 shows in its place. */
interface PeerSocket {
	readonly authorized?: boolean;
	readonly authorizationError?: unknown;
	getPeerX509Certificate?(): X509Certificate | undefined;
}

/** A call as servers of `@grpc/grpc-js` get it. */
interface GrpcCall {
	getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate };
}

/** A TLS socket; a request, a session or anything else with one; a call of a gRPC server. */
export type PeerSource = Socket | { readonly socket: Socket | undefined } | GrpcCall;

/**
 * @param source of gRPC only calls of a server with `grpcServerCredentials`: it shows no certificate that was not verified
 * @throws BirthmarkError `unauthenticated` when the peer showed no certificate, or none that was verified
 * @throws BirthmarkError `certificate-invalid` when it does not name exactly one party
 */
export function peerIdentity(source: PeerSource): Party {
	if ('getAuthContext' in source) return partyOf(parse(source.getAuthContext().sslPeerCertificate));
	const socket = ('socket' in source ? source.socket : source) as PeerSocket | undefined;
	const certificate = socket?.getPeerX509Certificate?.();
	if (certificate !== undefined && socket?.authorized === true) return partyOf(certificate);
	const reason = socket?.authorizationError;
	throw new BirthmarkError('unauthenticated', `the peer did not prove who it is${reason ? ` (${String(reason)})` : ''}: it needs an identity of the same CA`);
}

function parse(certificate: PeerCertificate | undefined): X509Certificate {
	if (certificate?.raw === undefined) throw new BirthmarkError('unauthenticated', 'the peer of this call showed no certificate: use grpcServerCredentials');
	return new X509Certificate(certificate.raw);
}

/**
 *     const mayCall = allow({ organizationalUnit: 'web' }, { spiffeId: 'spiffe://…/batch/nightly' });
 *     const peer = mayCall(request);
 *
 * @returns a check for servers, which returns the peer or throws BirthmarkError `unauthenticated` or `forbidden`
 * @throws BirthmarkError `usage` for a matcher that would accept everybody, or nobody
 */
export function allow(...matchers: readonly PeerMatcher[]): (source: PeerSource) => Party {
	const check = createCheck(matchers);
	return (source) => {
		const peer = peerIdentity(source);
		check(peer);
		return peer;
	};
}

/** A handler that only peers reach who pass the check; others get 403 and the sentence why. */
export function guarded(check: (source: PeerSource) => Party, handler: (request: IncomingMessage, response: ServerResponse, peer: Party) => void): RequestListener {
	return (request, response) => {
		let peer: Party;
		try {
			peer = check(request);
		} catch (error) {
			if (!(error instanceof BirthmarkError)) throw error;
			response.writeHead(403, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify({ status: 403, code: error.code, detail: error.message }));
			return;
		}
		handler(request, response, peer);
	};
}
