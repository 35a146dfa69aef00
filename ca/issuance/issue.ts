/**
 * Issuing a leaf: names from the registry, validity from the clock, the public key from whoever
 * proved to hold it. The certificate is linted before it is signed. Nothing is stored here:
 * that is part of the decision that it was issued for.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { signCertificate } from '#common/x509/certificate.ts';
import type { Pointers } from '#common/x509/extensions.ts';
import { lintLeaf } from '#common/x509/lint.ts';
import { leafExtensions } from '#common/x509/profile.ts';
import { createSerial } from '#common/x509/serial.ts';
import type { CertificateRecord } from '../store/records.ts';
import type { Authorities } from './authorities.ts';
import { certificateRecord } from './certificate-record.ts';
import { requirePermitted, type Identity } from './identity.ts';
import { requireKey } from './profiles.ts';
import { validity } from './validity.ts';

export interface IssueRequest {
	readonly identity: Identity;
	/** from a verified CSR */
	readonly key: {
		readonly publicKey: Buffer;
		readonly publicKeyHash: Buffer;
		/** the CSR, DER; absent for keys of the CA's own */
		readonly request?: Buffer;
	};
	/** the profile's own when absent, and never more than it gives */
	readonly lifetimeSeconds?: number;
	/** what the certificate belongs to */
	readonly origin: Pick<CertificateRecord, 'node' | 'authorizationId' | 'startId' | 'userName' | 'cfsslClient' | 'bundleDigest'>;
	/** the certificate that it renews */
	readonly parent?: Pick<CertificateRecord, 'serial' | 'chain' | 'renewals'>;
}

export type Issue = (request: IssueRequest) => Promise<CertificateRecord>;

export interface IssueDeps {
	readonly authorities: Pick<Authorities, 'current'>;
	readonly clock: { now(): Date };
	readonly random: (bytes: number) => Uint8Array;
	readonly backdateSeconds: number;
	/** where what a generation issues next can be asked about; nowhere when absent */
	readonly place?: (generation: number) => Promise<Placement>;
}

export interface Placement {
	/** whose revocation list it will be on, beside that of everything; 0 for none */
	readonly partition: number;
	readonly pointers: Pointers;
}

const NOWHERE: Placement = { partition: 0, pointers: {} };

/** @returns a function that makes one certificate; it fails with `internal` when the intermediate has expired or the lint finds a fault */
export function createIssue({ authorities, clock, random, backdateSeconds, place = async () => NOWHERE }: IssueDeps): Issue {
	return async (request) => {
		const { identity, key, lifetimeSeconds } = request;
		const now = clock.now();
		const { issuer, generation } = authorities.current().active;
		if (issuer.notAfter <= now) throw new BirthmarkError('internal', 'the intermediate certificate of the CA has expired');
		const serial = createSerial(random);
		const { commonName, organizationalUnit, organization, spiffeId, profile } = identity;
		requireKey(profile, key.publicKey);
		requirePermitted(identity, issuer);
		const { partition, pointers } = await place(generation);
		const { purposes } = profile;
		const names = { dnsNames: identity.alternativeNames, spiffeId };
		const tbs = {
			serial,
			subject: { commonName, organizationalUnit, organization },
			publicKey: key.publicKey,
			...validity(now, Math.min(lifetimeSeconds ?? profile.lifetimeSeconds, profile.maximumSeconds), backdateSeconds, issuer),
		};
		const extensions = leafExtensions(key.publicKey, issuer.keyId, names, purposes, pointers);
		const der = signCertificate({ ...tbs, extensions }, issuer, (bytes) => lintLeaf(bytes, { tbs, names, purposes, pointers }, issuer));
		const { notBefore, notAfter } = tbs;
		return certificateRecord(request, { serial, der, issuerGeneration: generation, crlPartition: partition, issuedAt: now, notBefore, notAfter });
	};
}
