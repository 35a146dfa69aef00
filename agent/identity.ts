/** An identity: private key, certificate chain and trust bundle, and what the leaf says. */

import { X509Certificate } from 'node:crypto';
import { decodePem } from '#common/x509/pem.ts';
import { invalidCertificate, readSvidNames } from '#common/x509/svid.ts';

export interface Identity {
	/** PKCS#8 PEM */
	readonly key: string;
	/** PEM, leaf first */
	readonly chain: string;
	/** the trust bundle, exactly the bytes that were verified */
	readonly bundle: Buffer;
	readonly leaf: Leaf;
}

/** The facts in a leaf certificate that the agent needs. */
export interface Leaf {
	readonly subject: string;
	readonly spiffeId: string;
	/** none, then it is for clients only */
	readonly dnsNames: readonly string[];
	/** hexadecimal in lower case, as the CA writes it */
	readonly serial: string;
	readonly notBefore: Date;
	readonly notAfter: Date;
}

/** What there is to do then: no certificate is renewed after its end. */
export const EXPIRED = 'the identity has expired: restart the container for a new one (docker restart CONTAINER; a task of a swarm: docker service update --force SERVICE)';

/** id-kp-clientAuth, RFC 5280 §4.2.1.12 */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** Leaf, intermediate, and room for a cross-signed root during a root rotation. */
const MAX_CHAIN_LENGTH = 5;

/**
 * Reads the first certificate of a chain. Checks form, not trust.
 *
 * @param chain PEM certificates and nothing else
 * @throws BirthmarkError `certificate-invalid`, among others when there is not exactly one SPIFFE ID
 * (X509-SVID §2: exactly one URI SAN)
 */
export function readLeaf(chain: string): Leaf {
	const certificates = decodePem('CERTIFICATE', chain);
	if (!certificates || certificates.length > MAX_CHAIN_LENGTH) throw invalidCertificate('it is not a chain of PEM certificates');
	let leaf: X509Certificate;
	try {
		leaf = new X509Certificate(certificates[0]!);
	} catch (cause) {
		throw invalidCertificate('it cannot be parsed', cause);
	}
	const { spiffeId, dnsNames } = readSvidNames(leaf);
	if (dnsNames.length === 0 && String(leaf.keyUsage) !== CLIENT_AUTH) throw invalidCertificate('it has no DNS name');
	return {
		subject: leaf.subject.split('\n').join(', '),
		spiffeId,
		dnsNames,
		serial: leaf.serialNumber.toLowerCase(),
		notBefore: new Date(leaf.validFrom),
		notAfter: new Date(leaf.validTo),
	};
}
