/** Who a certificate names: this container, or the peer of a connection. */

import { X509Certificate } from 'node:crypto';
import { invalidCertificate, readSvidNames } from '#common/x509/svid.ts';

export interface Party {
	/** `spiffe://<trust domain>/<environment>/<role>/<instance>`, unless the CA's profile names its workloads otherwise */
	readonly spiffeId: string;
	readonly trustDomain: string;
	/** CN, the service instance */
	readonly commonName: string;
	/** OU, its role */
	readonly organizationalUnit: string;
	/** O, the environment */
	readonly organization: string;
	readonly dnsNames: readonly string[];
	/** hexadecimal in lower case, as the CA writes it */
	readonly serial: string;
	readonly notBefore: Date;
	readonly notAfter: Date;
	/** false for nodes, operators and the CA itself, which have names of their own under the same root */
	readonly isWorkload: boolean;
}

/** The OU of Birthmark's own parts; names that begin so are given to no container. */
const OWN_PARTS = 'birthmark-';

/**
 * Reads names; whether the certificate is to be trusted is for the TLS library.
 *
 * @throws BirthmarkError `certificate-invalid` when it does not name exactly one party
 */
export function partyOf(certificate: X509Certificate): Party {
	const { spiffeId, dnsNames } = readSvidNames(certificate);
	const { CN, OU, O } = certificate.toLegacyObject().subject as Readonly<Record<'CN' | 'OU' | 'O', unknown>>;
	const organizationalUnit = single('OU', OU);
	return {
		spiffeId,
		trustDomain: trustDomainOf(spiffeId),
		commonName: single('CN', CN),
		organizationalUnit,
		organization: single('O', O),
		dnsNames,
		serial: certificate.serialNumber.toLowerCase(),
		notBefore: new Date(certificate.validFrom),
		notAfter: new Date(certificate.validTo),
		isWorkload: !organizationalUnit.startsWith(OWN_PARTS),
	};
}

/** SPIFFE-ID §2: no user, no port, and a path that names somebody. */
function trustDomainOf(spiffeId: string): string {
	const trustDomain = /^spiffe:\/\/([a-z0-9._-]+)\/[^?#]+$/.exec(spiffeId)?.[1];
	if (trustDomain === undefined) throw invalidCertificate('its SPIFFE ID is malformed');
	return trustDomain;
}

/** Repeated attributes come as a list: one of them would be believed and the others overlooked. */
function single(attribute: string, value: unknown): string {
	if (typeof value !== 'string' || value === '') throw invalidCertificate(`its subject does not have exactly one ${attribute}`);
	return value;
}
