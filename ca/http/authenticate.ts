/**
 * Who is at the other end of a TLS connection. OpenSSL has validated the chain and the dates during
 * the handshake; the role comes from the store, where the certificate is looked up at every request,
 * so that a revocation reaches connections that are open already.
 */

import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { Caller } from '../registration/caller.ts';
import type { CfsslClients } from '../registration/cfssl-clients.ts';
import type { Store } from '../store/store.ts';

/** @throws BirthmarkError `unauthenticated`, `identity-expired`, `certificate-revoked` */
export type Authenticate = (request: IncomingMessage) => Promise<Caller>;

export interface AuthenticateDeps {
	readonly store: Pick<Store, 'findCertificate'>;
	readonly clock: { now(): Date };
	/** who else may come, with a certificate of another CA */
	readonly cfsslClients: Pick<CfsslClients, 'identify'>;
	readonly authorities: Pick<Authorities, 'current'>;
}

/** For the TLS listener: by client certificate. */
export function authenticateByCertificate(deps: AuthenticateDeps): Authenticate {
	const { store, clock } = deps;
	return async (request) => {
		const socket = request.socket as TLSSocket;
		const presented = socket.getPeerX509Certificate();
		if (!presented) throw new BirthmarkError('unauthenticated', 'this address wants a client certificate of this CA');
		if (!socket.authorized) {
			if (String(socket.authorizationError) === 'CERT_HAS_EXPIRED') throw new BirthmarkError('identity-expired', 'the client certificate has expired');
			throw new BirthmarkError('unauthenticated', 'the client certificate is not one of this CA, or came without its intermediate');
		}
		const certificate = await store.findCertificate(presented.serialNumber.toLowerCase());
		if (!certificate?.der.equals(presented.raw) || certificate.role === 'ca') {
			const external = externalCaller(presented, deps);
			if (external) return external;
			throw new BirthmarkError('unauthenticated', 'the CA has no record of this client certificate');
		}
		if (certificate.revokedAt) throw new BirthmarkError('certificate-revoked', 'the client certificate was revoked');
		// The handshake may have been long ago.
		if (certificate.notAfter <= clock.now()) throw new BirthmarkError('identity-expired', 'the client certificate has expired');
		return { role: certificate.role, name: certificate.commonName, certificate };
	};
}

/**
 * OpenSSL has validated its chain as that of our own, in the same set of anchors. What we have signed
 * ourselves is in the store or counts for nothing, also where an entry of `cfssl.clients` names this CA
 * (a swarm whose external CA it is calls it its own): after a restore it may have been revoked.
 */
function externalCaller(presented: X509Certificate, { cfsslClients, clock, authorities }: AuthenticateDeps): Caller | undefined {
	if (authorities.current().all.some(({ certificate }) => presented.checkIssued(new X509Certificate(certificate)))) return undefined;
	const subject = cfsslClients.identify(presented);
	if (!subject) return undefined;
	if (presented.validToDate <= clock.now()) throw new BirthmarkError('identity-expired', 'the client certificate has expired');
	return { role: 'external', name: `${subject.organization}/${subject.organizationalUnit}/${subject.commonName}`, presented, subject };
}

/** For the admin socket: whoever the mode of the socket lets in is the operator. */
export const authenticateLocally: Authenticate = async () => ({ role: 'operator', name: 'local' });

/** For the public listener: it has no routes for anybody in particular. */
export const authenticateNobody: Authenticate = async () => {
	throw new BirthmarkError('unauthenticated', 'nobody can prove who it is at this address');
};
