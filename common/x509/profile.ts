/**
 * What goes into each kind of certificate (RFC 5280 §4.2, X509-SVID §4): one function per kind
 * returns its extensions, and `lint.ts` checks that they arrived.
 */

import { createHash } from 'node:crypto';
import { elementAt } from './der.ts';
import {
	AuthorityKeyIdentifierExtension,
	BasicConstraintsExtension,
	ExtendedKeyUsageExtension,
	Extension,
	KeyUsageFlags,
	KeyUsagesExtension,
	SubjectAlternativeNameExtension,
	SubjectKeyIdentifierExtension,
} from './library.ts';

export type Purpose = 'serverAuth' | 'clientAuth';
/** id-kp, RFC 5280 §4.2.1.12 */
export const PURPOSE_OIDS: Readonly<Record<Purpose, string>> = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' };
const NAME_CONSTRAINTS_OID = '2.5.29.30';

/**
 * NameConstraints (RFC 5280 §4.2.1.10) that exclude every IPv4 and IPv6 address: nothing under this
 * intermediate is ever named by an address. DNS names stay open, containers go by single labels.
 */
const NO_ADDRESSES = Buffer.concat([
	Buffer.from('3032a130', 'hex'),
	Buffer.from('300a8708', 'hex'), Buffer.alloc(8),
	Buffer.from('30228720', 'hex'), Buffer.alloc(32),
]);

export interface LeafNames {
	/** DNS subject alternative names, in order; may be empty */
	readonly dnsNames: readonly string[];
	readonly spiffeId: string;
}

/** @param publicKey SubjectPublicKeyInfo, DER */
export function rootExtensions(publicKey: Buffer): Extension[] {
	return [new BasicConstraintsExtension(true, undefined, true), certificateAuthorityUsage(), subjectKey(publicKey)];
}

/**
 * An intermediate that can only issue leaves.
 *
 * @param publicKey its own, SubjectPublicKeyInfo
 * @param issuerKeyId the subject key identifier of the root
 */
export function intermediateExtensions(publicKey: Buffer, issuerKeyId: Buffer): Extension[] {
	return [
		new BasicConstraintsExtension(true, 0, true),
		certificateAuthorityUsage(),
		new ExtendedKeyUsageExtension(Object.values(PURPOSE_OIDS)),
		new Extension(NAME_CONSTRAINTS_OID, true, NO_ADDRESSES),
		subjectKey(publicKey),
		authorityKey(issuerKeyId),
	];
}

/** A leaf: the subject is never empty, so its alternative names are not critical (RFC 5280 §4.2.1.6). */
export function leafExtensions(publicKey: Buffer, issuerKeyId: Buffer, names: LeafNames, purposes: readonly Purpose[]): Extension[] {
	return [
		new BasicConstraintsExtension(false, undefined, true),
		new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
		new ExtendedKeyUsageExtension(purposes.map((purpose) => PURPOSE_OIDS[purpose])),
		new SubjectAlternativeNameExtension([
			...names.dnsNames.map((value) => ({ type: 'dns' as const, value })),
			{ type: 'url', value: names.spiffeId },
		]),
		subjectKey(publicKey),
		authorityKey(issuerKeyId),
	];
}

/** The leftmost 160 bits of SHA-256 over the key's bit string (RFC 7093 §2, method 1). */
export function keyIdentifier(publicKey: Buffer): Buffer {
	const outer = elementAt(publicKey, 0)!;
	const algorithm = elementAt(publicKey, outer.contents)!;
	const bits = elementAt(publicKey, algorithm.end)!;
	const UNUSED_BITS_OCTET = 1;
	return createHash('sha256').update(publicKey.subarray(bits.contents + UNUSED_BITS_OCTET, bits.end)).digest().subarray(0, 20);
}

function certificateAuthorityUsage(): Extension {
	return new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true);
}

function subjectKey(publicKey: Buffer): Extension {
	return new SubjectKeyIdentifierExtension(keyIdentifier(publicKey).toString('hex'));
}

function authorityKey(keyId: Buffer): Extension {
	return new AuthorityKeyIdentifierExtension(keyId.toString('hex'));
}
