/**
 * The last look at a root, a cross-certificate or an intermediate before it is signed, as `lint.ts`
 * looks at leaves: what is to be signed is read again and compared with the profile (RFC 5280 §4.2).
 */

import type { DecodedCertificate } from './certificate-decode.ts';
import type { Issuer, ToBeSigned } from './certificate.ts';
import { DerReader } from './der-reader.ts';
import { readAttributes } from './distinguished-name.ts';
import { OID, PURPOSE_OIDS, type NameConstraints, type Pointers } from './extensions.ts';
import { areBounded, extensionReader, faultsOf, isSame, isSerial, list, pointerFaults, pointerOids, requireSound } from './lint-rules.ts';
import { decodeNameConstraints } from './name-constraints.ts';
import { keyIdentifier } from './public-key.ts';

export interface AuthorityIntent {
	/** `cross`: a root under another root */
	readonly kind: 'root' | 'cross' | 'intermediate';
	readonly tbs: Omit<ToBeSigned, 'subject' | 'extensions'>;
	/** Name, DER */
	readonly subject: Buffer;
	/** of an intermediate */
	readonly constraints?: NameConstraints;
	readonly pointers?: Pointers;
}

type LintedIssuer = Pick<Issuer, 'name' | 'keyId' | 'notAfter'>;

/** extnValue in hexadecimal: a CA without a limit, one of leaves only, keyCertSign and cRLSign. */
const ANY_CA = '30030101ff';
const CA_OF_LEAVES = '30060101ff020100';
const CERTIFICATES_AND_LISTS = '03020106';
/** Both purposes of leaves, and OCSP signing is none of them. */
const PURPOSES = [PURPOSE_OIDS.serverAuth, PURPOSE_OIDS.clientAuth];
/** How name constraints end that exclude every IPv4 and IPv6 address. */
const NO_ADDRESSES = `a130300a8708${'00'.repeat(8)}30228720${'00'.repeat(32)}`;

/**
 * @param tbs TBSCertificate, DER
 * @param issuer absent for a root
 * @throws BirthmarkError `internal` that lists what is wrong
 */
export function lintAuthority(tbs: Buffer, intent: AuthorityIntent, issuer?: LintedIssuer): void {
	requireSound(tbs, (certificate) => [...bodyFaults(certificate, intent, issuer), ...extensionFaults(certificate, intent, issuer)]);
}

function bodyFaults(certificate: DecodedCertificate, { kind, tbs, subject }: AuthorityIntent, issuer: LintedIssuer | undefined): string[] {
	const attributes = readAttributes(DerReader.sequence(certificate.subject));
	const { notBefore, notAfter } = certificate;
	return faultsOf({
		'serial number': certificate.serial === tbs.serial && isSerial(tbs.serial),
		'issuer': (issuer === undefined) === (kind === 'root'),
		'issuer name': certificate.issuer.equals(issuer?.name ?? subject),
		'subject': certificate.subject.equals(subject) && attributes.length > 0 && areBounded(attributes),
		'public key': certificate.publicKey.equals(tbs.publicKey),
		'validity': notBefore.getTime() === tbs.notBefore.getTime() && notAfter.getTime() === tbs.notAfter.getTime() && notAfter > notBefore,
		'validity outside that of the issuer': issuer === undefined || notAfter <= issuer.notAfter,
	});
}

function extensionFaults({ extensions }: DecodedCertificate, { kind, tbs, constraints = {}, pointers = {} }: AuthorityIntent, issuer: LintedIssuer | undefined): string[] {
	const isIntermediate = kind === 'intermediate';
	const value = extensionReader(extensions);
	const names = value(OID.nameConstraints, true);
	const expected = [
		OID.basicConstraints, OID.keyUsage, OID.subjectKeyIdentifier,
		...(issuer ? [OID.authorityKeyIdentifier] : []),
		...(isIntermediate ? [OID.extendedKeyUsage, OID.nameConstraints] : []),
		...pointerOids(pointers),
	];
	return [...pointerFaults(extensions, pointers), ...faultsOf({
		'basic constraints': value(OID.basicConstraints, true)?.toString('hex') === (isIntermediate ? CA_OF_LEAVES : ANY_CA),
		'key usage': value(OID.keyUsage, true)?.toString('hex') === CERTIFICATES_AND_LISTS,
		'extended key usage': !isIntermediate || isSame(list(value(OID.extendedKeyUsage, false), (reader) => reader.oid()), PURPOSES),
		'name constraints': !isIntermediate || (isSame(decodeNameConstraints(names), constraints) && names?.toString('hex').endsWith(NO_ADDRESSES) === true),
		'subject key identifier': value(OID.subjectKeyIdentifier, false)?.toString('hex') === `0414${keyIdentifier(tbs.publicKey).toString('hex')}`,
		'authority key identifier': !issuer || value(OID.authorityKeyIdentifier, false)?.toString('hex') === `30168014${issuer.keyId.toString('hex')}`,
		'other extensions than those of the profile': isSame([...extensions.keys()].sort(), [...expected].sort()),
	})];
}
