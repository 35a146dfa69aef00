/**
 * The last look at a leaf before it is signed: what is to be signed is read again and compared with
 * the profile (RFC 5280, X509-SVID §4–5), not with what the code meant to write. What does not pass
 * never gets a signature. CA certificates have a lint of their own, `lint-authority.ts`.
 */

import type { DecodedCertificate } from './certificate-decode.ts';
import type { Issuer, ToBeSigned } from './certificate.ts';
import { contextTag } from './der.ts';
import { DerReader } from './der-reader.ts';
import { attributesOf, readAttributes } from './distinguished-name.ts';
import { GENERAL_NAME, OID, PURPOSE_OIDS, type Pointers, type Purpose } from './extensions.ts';
import { areBounded, extensionReader, faultsOf, isSame, isSerial, list, pointerFaults, pointerOids, requireSound } from './lint-rules.ts';
import { findForbiddenName } from './name-constraints.ts';
import type { LeafNames } from './profile.ts';
import { keyIdentifier } from './public-key.ts';

export interface LeafIntent {
	readonly tbs: Omit<ToBeSigned, 'extensions'>;
	readonly names: LeafNames;
	readonly purposes: readonly Purpose[];
	readonly pointers?: Pointers;
}

type LintedIssuer = Pick<Issuer, 'name' | 'keyId' | 'notAfter' | 'constraints'>;

/** The rest of the profile, for every leaf: extnValue in hexadecimal. */
const NOT_A_CA = '3000';
const DIGITAL_SIGNATURE = '03020780';
/** X509-SVID §2, SPIFFE-ID §2.1–2.3: no root path on a leaf, no percent-encoding, port, query, fragment or trailing slash. */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)+$/;
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const MAX_SPIFFE_ID_BYTES = 2048;

/**
 * @param tbs TBSCertificate, DER
 * @throws BirthmarkError `internal` that lists what is wrong
 */
export function lintLeaf(tbs: Buffer, intent: LeafIntent, issuer: LintedIssuer): void {
	requireSound(tbs, (certificate) => [...bodyFaults(certificate, intent, issuer), ...extensionFaults(certificate, intent, issuer)]);
}

function bodyFaults(certificate: DecodedCertificate, { tbs, names }: LeafIntent, issuer: LintedIssuer): string[] {
	const attributes = readAttributes(DerReader.sequence(certificate.subject));
	const { notBefore, notAfter } = certificate;
	return faultsOf({
		'serial number': certificate.serial === tbs.serial && isSerial(tbs.serial),
		'issuer name': certificate.issuer.equals(issuer.name),
		'subject': isSame(attributes, attributesOf(tbs.subject)) && areBounded(attributes),
		'public key': certificate.publicKey.equals(tbs.publicKey),
		'validity': notBefore.getTime() === tbs.notBefore.getTime() && notAfter.getTime() === tbs.notAfter.getTime(),
		'names outside the constraints of the issuer': findForbiddenName(issuer.constraints, names, tbs.subject.commonName) === undefined,
		'validity outside that of the issuer': notAfter > notBefore && notAfter <= issuer.notAfter,
	});
}

function extensionFaults({ extensions }: DecodedCertificate, intent: LeafIntent, issuer: LintedIssuer): string[] {
	const { tbs, names, purposes, pointers = {} } = intent;
	const isResponder = purposes.includes('ocspSigning');
	const value = extensionReader(extensions);
	const expected = [
		OID.basicConstraints, OID.keyUsage, OID.extendedKeyUsage, OID.subjectKeyIdentifier, OID.authorityKeyIdentifier,
		...(isResponder ? [OID.ocspNoCheck] : [OID.subjectAlternativeName]),
		...pointerOids(pointers),
	];
	return [...pointerFaults(extensions, pointers), ...faultsOf({
		'basic constraints': value(OID.basicConstraints, true)?.toString('hex') === NOT_A_CA,
		'key usage': value(OID.keyUsage, true)?.toString('hex') === DIGITAL_SIGNATURE,
		'extended key usage': isSame(list(value(OID.extendedKeyUsage, false), (reader) => reader.oid()), purposes.map((purpose) => PURPOSE_OIDS[purpose])) && purposes.length > 0,
		'alternative names': isResponder || areNames(value(OID.subjectAlternativeName, false), names, tbs.subject.commonName),
		'subject key identifier': value(OID.subjectKeyIdentifier, false)?.toString('hex') === `0414${keyIdentifier(tbs.publicKey).toString('hex')}`,
		'authority key identifier': value(OID.authorityKeyIdentifier, false)?.toString('hex') === `30168014${issuer.keyId.toString('hex')}`,
		'other extensions than those of the profile': isSame([...extensions.keys()].sort(), [...expected].sort()),
	})];
}

/** The names that were meant, in that order, each of them legal; a CN that is a DNS name repeats one when there are any (RFC 6125 §6.4.4). */
function areNames(value: Buffer | undefined, { dnsNames, spiffeId }: LeafNames, commonName: string): boolean {
	const actual = list(value, (reader) => {
		const tag = reader.has(contextTag(GENERAL_NAME.dns, 'primitive')) ? GENERAL_NAME.dns : GENERAL_NAME.uri;
		return [tag, reader.next(contextTag(tag, 'primitive')).toString('latin1')] as const;
	});
	const expected = [...dnsNames.map((name) => [GENERAL_NAME.dns, name] as const), ...(spiffeId === undefined ? [] : [[GENERAL_NAME.uri, spiffeId] as const])];
	return expected.length > 0
		&& isSame(actual, expected)
		&& dnsNames.every((name) => DNS_NAME.test(name))
		&& (dnsNames.length === 0 || dnsNames.includes(commonName))
		&& (spiffeId === undefined || (SPIFFE_ID.test(spiffeId) && Buffer.byteLength(spiffeId) <= MAX_SPIFFE_ID_BYTES));
}
