/**
 * Extensions of certificates, revocation lists and OCSP answers (RFC 5280 §4.2 and §5.2), one function
 * each. Which of them a certificate carries is said in `profile.ts`.
 */

import { contextTag, encode, encodeNumber, encodeOid, Tag } from './der.ts';

/** One element of `Extensions`, DER. */
export type Extension = Buffer;

export const OID = {
	subjectKeyIdentifier: '2.5.29.14',
	keyUsage: '2.5.29.15',
	subjectAlternativeName: '2.5.29.17',
	basicConstraints: '2.5.29.19',
	crlNumber: '2.5.29.20',
	reasonCode: '2.5.29.21',
	issuingDistributionPoint: '2.5.29.28',
	nameConstraints: '2.5.29.30',
	crlDistributionPoints: '2.5.29.31',
	authorityKeyIdentifier: '2.5.29.35',
	extendedKeyUsage: '2.5.29.37',
	authorityInformationAccess: '1.3.6.1.5.5.7.1.1',
	ocspNoCheck: '1.3.6.1.5.5.7.48.1.5',
} as const;

export type Purpose = 'serverAuth' | 'clientAuth' | 'ocspSigning';
/** id-kp, RFC 5280 §4.2.1.12 */
export const PURPOSE_OIDS: Readonly<Record<Purpose, string>> = {
	serverAuth: '1.3.6.1.5.5.7.3.1',
	clientAuth: '1.3.6.1.5.5.7.3.2',
	ocspSigning: '1.3.6.1.5.5.7.3.9',
};
/** id-ad, RFC 5280 §4.2.2.1 */
export const ACCESS_OIDS = { ocsp: '1.3.6.1.5.5.7.48.1', caIssuers: '1.3.6.1.5.5.7.48.2' } as const;
/** Tags of GeneralName, RFC 5280 §4.2.1.6 */
export const GENERAL_NAME = { dns: 2, uri: 6, ip: 7 } as const;

const ENCODED_OIDS = new Map<string, Buffer>([...Object.values(OID), ...Object.values(PURPOSE_OIDS), ...Object.values(ACCESS_OIDS)].map((oid) => [oid, encodeOid(oid)]));
const TRUE = encode(Tag.boolean, Buffer.of(0xff));

/** KeyUsage as BIT STRING: bits from the left, the unused ones at the right counted (X.690 §11.2.2). */
const KEY_USAGES = { digitalSignature: Buffer.from('03020780', 'hex'), 'keyCertSign and cRLSign': Buffer.from('03020106', 'hex') } as const;

/** Where a verifier finds what it needs, http URLs (RFC 5280 §4.2.1.13 and §4.2.2.1); whatever is absent is left out. */
export interface Pointers {
	/** revocation list of the issuer */
	readonly crl?: string;
	readonly ocsp?: string;
	/** certificate of the issuer, DER */
	readonly caIssuers?: string;
}

export interface NameConstraints {
	/** a DNS name is in one of these domains or is the domain itself; any DNS name when absent */
	readonly dnsDomains?: readonly string[];
	/** host of every URI, exactly, so without a leading dot; any when absent */
	readonly uriHost?: string;
}

/** @param pathLength undefined for "any number" */
export function basicConstraints(role: 'ca' | 'leaf', pathLength?: number): Extension {
	// cA is FALSE by default, and a default is not encoded.
	const contents = role === 'leaf' ? [] : [TRUE, ...(pathLength === undefined ? [] : [encodeNumber(pathLength)])];
	return extension(OID.basicConstraints, 'critical', encode(Tag.sequence, ...contents));
}

export function keyUsage(usage: keyof typeof KEY_USAGES): Extension {
	return extension(OID.keyUsage, 'critical', KEY_USAGES[usage]);
}

export function extendedKeyUsage(purposes: readonly Purpose[]): Extension {
	return extension(OID.extendedKeyUsage, undefined, encode(Tag.sequence, ...purposes.map((purpose) => oid(PURPOSE_OIDS[purpose]))));
}

/** Not critical: the subjects of this project are never empty (RFC 5280 §4.2.1.6). */
export function subjectAlternativeName(dnsNames: readonly string[], uris: readonly string[]): Extension {
	const names = [...dnsNames.map((name) => generalName('dns', name)), ...uris.map((uri) => generalName('uri', uri))];
	return extension(OID.subjectAlternativeName, undefined, encode(Tag.sequence, ...names));
}

export function subjectKeyIdentifier(keyId: Buffer): Extension {
	return extension(OID.subjectKeyIdentifier, undefined, encode(Tag.octetString, keyId));
}

/** The key identifier only: issuer and serial number would tie a chain to one of several certificates of the same key. */
export function authorityKeyIdentifier(keyId: Buffer): Extension {
	return extension(OID.authorityKeyIdentifier, undefined, encode(Tag.sequence, encode(contextTag(0, 'primitive'), keyId)));
}

/** IP addresses are always excluded: nothing of this project is named by one. */
export function nameConstraints({ dnsDomains = [], uriHost }: NameConstraints): Extension {
	const permitted = [...dnsDomains.map((domain) => generalName('dns', domain)), ...(uriHost === undefined ? [] : [generalName('uri', uriHost)])];
	const everyAddress = [Buffer.alloc(8), Buffer.alloc(32)].map((mask) => encode(contextTag(GENERAL_NAME.ip, 'primitive'), mask));
	const subtrees = (names: readonly Buffer[]) => names.map((name) => encode(Tag.sequence, name));
	return extension(OID.nameConstraints, 'critical', encode(
		Tag.sequence,
		...(permitted.length === 0 ? [] : [encode(contextTag(0), ...subtrees(permitted))]),
		encode(contextTag(1), ...subtrees(everyAddress)),
	));
}

/** CRLDistributionPoints and AuthorityInformationAccess, as far as there is something to point at. */
export function pointers({ crl, ocsp, caIssuers }: Pointers): Extension[] {
	const access = [
		...(ocsp === undefined ? [] : [encode(Tag.sequence, oid(ACCESS_OIDS.ocsp), generalName('uri', ocsp))]),
		...(caIssuers === undefined ? [] : [encode(Tag.sequence, oid(ACCESS_OIDS.caIssuers), generalName('uri', caIssuers))]),
	];
	return [
		...(crl === undefined ? [] : [extension(OID.crlDistributionPoints, undefined, encode(Tag.sequence, encode(Tag.sequence, distributionPoint(crl))))]),
		...(access.length === 0 ? [] : [extension(OID.authorityInformationAccess, undefined, encode(Tag.sequence, ...access))]),
	];
}

/** id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1: nobody asks the responder about its own certificate. */
export function ocspNoCheck(): Extension {
	return extension(OID.ocspNoCheck, undefined, encode(Tag.null));
}

export function crlNumber(number: number): Extension {
	return extension(OID.crlNumber, undefined, encodeNumber(number));
}

/** @param code CRLReason, RFC 5280 §5.3.1 */
export function reasonCode(code: number): Extension {
	return extension(OID.reasonCode, undefined, encode(Tag.enumerated, Buffer.of(code)));
}

/** Of a list that covers only the certificates which point at this URL (RFC 5280 §5.2.5). */
export function issuingDistributionPoint(url: string): Extension {
	return extension(OID.issuingDistributionPoint, 'critical', encode(Tag.sequence, distributionPoint(url)));
}

/** One element of `Extensions`; `critical` is FALSE by default, and a default is not encoded. */
export function extension(type: string, critical: 'critical' | undefined, value: Uint8Array): Extension {
	return encode(Tag.sequence, oid(type), ...(critical ? [TRUE] : []), encode(Tag.octetString, value));
}

function distributionPoint(url: string): Buffer {
	const fullName = encode(contextTag(0), generalName('uri', url));
	return encode(contextTag(0), fullName);
}

function generalName(kind: 'dns' | 'uri', value: string): Buffer {
	if (!/^[\x21-\x7e]+$/.test(value)) throw new TypeError('a name in a certificate is not printable ASCII');
	return encode(contextTag(GENERAL_NAME[kind], 'primitive'), Buffer.from(value, 'latin1'));
}

function oid(dotted: string): Buffer {
	return ENCODED_OIDS.get(dotted) ?? encodeOid(dotted);
}
