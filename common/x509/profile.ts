/**
 * What goes into each kind of certificate (RFC 5280 §4.2, RFC 6960 §4.2.2.2, X509-SVID §4): one
 * function per kind returns its extensions, and `lint.ts` and `lint-authority.ts` check that they arrived.
 *
 * Every key is for signatures only, RSA too: key transport (keyEncipherment) belongs to cipher suites
 * that nothing here offers, and a key that is used for both can be made an oracle by those who do.
 */

import {
	authorityKeyIdentifier, basicConstraints, extendedKeyUsage, keyUsage, nameConstraints, ocspNoCheck, pointers, subjectAlternativeName, subjectKeyIdentifier,
	type Extension, type NameConstraints, type Pointers, type Purpose,
} from './extensions.ts';
import { keyIdentifier } from './public-key.ts';

/** What a CA certificate permits must include what its leaves are for; OCSP signing is delegated by name, not inherited (RFC 6960 §4.2.2.2). */
const LEAF_PURPOSES: readonly Purpose[] = ['serverAuth', 'clientAuth'];

export interface LeafNames {
	/** DNS subject alternative names, in order; may be empty */
	readonly dnsNames: readonly string[];
	/** absent only in certificates for other systems; one of the two is always there */
	readonly spiffeId?: string;
}

/** @param publicKey SubjectPublicKeyInfo, DER */
export function rootExtensions(publicKey: Buffer): Extension[] {
	return [basicConstraints('ca'), keyUsage('keyCertSign and cRLSign'), subjectKeyIdentifier(keyIdentifier(publicKey))];
}

/**
 * A new root under an old one, for those who do not know it yet: subject and key of the new root,
 * signed by the old.
 *
 * @param publicKey of the new root
 * @param issuerKeyId the subject key identifier of the old root
 */
export function crossExtensions(publicKey: Buffer, issuerKeyId: Buffer, where: Pointers = {}): Extension[] {
	return [...rootExtensions(publicKey), authorityKeyIdentifier(issuerKeyId), ...pointers(where)];
}

export interface IntermediateOptions {
	readonly constraints?: NameConstraints;
	readonly pointers?: Pointers;
}

/**
 * An intermediate that can only issue leaves.
 *
 * @param publicKey its own, SubjectPublicKeyInfo
 * @param issuerKeyId the subject key identifier of the root
 */
export function intermediateExtensions(publicKey: Buffer, issuerKeyId: Buffer, { constraints = {}, pointers: where = {} }: IntermediateOptions = {}): Extension[] {
	return [
		basicConstraints('ca', 0),
		keyUsage('keyCertSign and cRLSign'),
		extendedKeyUsage(LEAF_PURPOSES),
		nameConstraints(constraints),
		subjectKeyIdentifier(keyIdentifier(publicKey)),
		authorityKeyIdentifier(issuerKeyId),
		...pointers(where),
	];
}

/** A leaf of a workload, node, operator or the CA's own server. */
export function leafExtensions(publicKey: Buffer, issuerKeyId: Buffer, names: LeafNames, purposes: readonly Purpose[], where: Pointers = {}): Extension[] {
	return [
		basicConstraints('leaf'),
		keyUsage('digitalSignature'),
		extendedKeyUsage(purposes),
		subjectAlternativeName(names.dnsNames, names.spiffeId === undefined ? [] : [names.spiffeId]),
		subjectKeyIdentifier(keyIdentifier(publicKey)),
		authorityKeyIdentifier(issuerKeyId),
		...pointers(where),
	];
}

/** A delegated OCSP responder: no alternative names, so that it can be nobody's peer, and nothing to look up about it. */
export function ocspExtensions(publicKey: Buffer, issuerKeyId: Buffer): Extension[] {
	return [
		basicConstraints('leaf'),
		keyUsage('digitalSignature'),
		extendedKeyUsage(['ocspSigning']),
		ocspNoCheck(),
		subjectKeyIdentifier(keyIdentifier(publicKey)),
		authorityKeyIdentifier(issuerKeyId),
	];
}
