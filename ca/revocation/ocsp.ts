/**
 * What is known of a certificate at this moment, signed (RFC 6960). Every answer is read from the
 * store, so that a revocation by any instance shows in the next one.
 */

import { certificateId, isIssuedBy, parseOcspRequest, type CertificateId, type CertificateIssuer } from '#common/x509/ocsp-request.ts';
import { ocspError, signOcspResponse, type OcspAnswer, type OcspStatus } from '#common/x509/ocsp-response.ts';
import type { Authorities, Authority } from '../issuance/authorities.ts';
import type { Store } from '../store/store.ts';
import type { OcspSigners } from './ocsp-signers.ts';

export interface OcspReply {
	/** OCSPResponse, DER */
	readonly der: Buffer;
	/** absent when the answer is an error, which nobody may keep */
	readonly validity?: { readonly thisUpdate: Date; readonly nextUpdate: Date };
	/** good for this request only */
	readonly hasNonce: boolean;
}

export interface Ocsp {
	/** @param request OCSPRequest, DER, from anybody */
	answer(request: Uint8Array): Promise<OcspReply>;
	/** An answer about one of our own certificates that nobody asked for: to be stapled. Undefined for one that the CA does not know, or that an upstream has issued. */
	staple(serial: string): Promise<OcspReply | undefined>;
}

export interface OcspDeps {
	readonly store: Pick<Store, 'findCertificate'>;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly signers: OcspSigners;
	readonly clock: { now(): Date };
	readonly lifetimeSeconds: number;
	readonly backdateSeconds: number;
}

export function createOcsp({ store, authorities, signers, clock, lifetimeSeconds, backdateSeconds }: OcspDeps): Ocsp {
	const statusOf = async (serial: string, { generation }: Authority): Promise<OcspStatus> => {
		const certificate = await store.findCertificate(serial);
		// One that came from an upstream is asked about there.
		if (certificate?.issuerGeneration !== generation || certificate.intermediates !== undefined) return { status: 'unknown' };
		const { revokedAt, revocationReason: reason = 'unspecified' } = certificate;
		return revokedAt ? { status: 'revoked', revokedAt, reason } : { status: 'good' };
	};
	const sign = async (certificates: readonly CertificateId[], authority: Authority, nonce?: Buffer): Promise<OcspReply> => {
		const signer = await signers.of(authority);
		const now = clock.now();
		const statuses: OcspAnswer['statuses'][number][] = [];
		// One after the other: a stranger's request should not take all connections to a database.
		for (const certificate of certificates) statuses.push({ ...await statusOf(certificate.serial, authority), certificate });
		const validity = {
			thisUpdate: new Date(now.getTime() - backdateSeconds * 1000),
			nextUpdate: new Date(Math.min(now.getTime() + lifetimeSeconds * 1000, signer.notAfter.getTime())),
		};
		const der = signOcspResponse({ statuses, producedAt: now, ...validity, ...(nonce && { nonce }) }, signer);
		return { der, validity, hasNonce: nonce !== undefined };
	};
	return {
		async answer(bytes) {
			const request = parseOcspRequest(bytes);
			if (!request) return refusal('malformedRequest');
			// RFC 6960 §4.2.2.2: an answer is signed for one issuer, and we can speak for ours only.
			const authority = authorities.current().all.find((one) => request.certificates.every((certificate) => isIssuedBy(certificate, issuerOf(one))));
			return authority ? sign(request.certificates, authority, request.nonce) : refusal('unauthorized');
		},
		async staple(serial) {
			const certificate = await store.findCertificate(serial);
			if (certificate?.intermediates !== undefined) return undefined;
			const authority = authorities.current().all.find(({ generation }) => generation === certificate?.issuerGeneration);
			return authority && sign([certificateId(serial, issuerOf(authority))], authority);
		},
	};
}

export function refusal(error: Parameters<typeof ocspError>[0]): OcspReply {
	return { der: ocspError(error), hasNonce: false };
}

function issuerOf({ issuer }: Authority): CertificateIssuer {
	return { name: issuer.name, publicKey: issuer.key.publicKey };
}
