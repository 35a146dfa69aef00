/**
 * The last look at a leaf before it is used: decoded again and compared with the profile (RFC 5280,
 * X509-SVID §4–5), not with what the code meant to write. A certificate that does not pass is never
 * stored and never leaves the CA.
 */

import { X509Certificate } from 'node:crypto';
import { BirthmarkError } from '../protocol/errors.ts';
import type { Issuer, ToBeSigned } from './certificate.ts';
import {
	AuthorityKeyIdentifierExtension,
	BasicConstraintsExtension,
	DecodedCertificate,
	ExtendedKeyUsageExtension,
	KeyUsageFlags,
	KeyUsagesExtension,
	SubjectAlternativeNameExtension,
	SubjectKeyIdentifierExtension,
	type Extension,
} from './library.ts';
import { keyIdentifier, PURPOSE_OIDS, type LeafNames, type Purpose } from './profile.ts';

export interface LeafIntent {
	readonly tbs: Omit<ToBeSigned, 'extensions'>;
	readonly names: LeafNames;
	readonly purposes: readonly Purpose[];
}

/** @throws BirthmarkError `internal` that lists what is wrong */
export function lintLeaf(der: Buffer, intent: LeafIntent, issuer: Issuer): void {
	const faults = leafFaults(new DecodedCertificate(der), der, intent, issuer);
	if (faults.length > 0) throw new BirthmarkError('internal', `the CA made a certificate that breaks its own profile: ${faults.join('; ')}`);
}

function leafFaults(certificate: DecodedCertificate, der: Buffer, { tbs, names, purposes }: LeafIntent, issuer: Issuer): string[] {
	const faults: string[] = [];
	const check = (holds: boolean, fault: string): void => void (holds || faults.push(fault));
	const extension = <T extends Extension>(type: new (...args: never[]) => T): T | null => certificate.getExtension(type as new () => T);

	check(certificate.serialNumber === tbs.serial && /^[4-7][0-9a-f]{31}$/.test(tbs.serial), 'serial number');
	check(Buffer.from(certificate.issuerName.toArrayBuffer()).equals(issuer.name), 'issuer name');
	check(new X509Certificate(der).subject === subjectText(tbs.subject), 'subject');
	check(Buffer.from(certificate.publicKey.rawData).equals(tbs.publicKey), 'public key');
	check(certificate.notBefore.getTime() === tbs.notBefore.getTime() && certificate.notAfter.getTime() === tbs.notAfter.getTime(), 'validity');
	check(certificate.notAfter > certificate.notBefore && certificate.notAfter <= issuer.notAfter, 'validity outside that of the issuer');

	const constraints = extension(BasicConstraintsExtension);
	check(constraints?.critical === true && !constraints.ca && constraints.pathLength === undefined, 'basic constraints');
	const usage = extension(KeyUsagesExtension);
	check(usage?.critical === true && usage.usages === KeyUsageFlags.digitalSignature, 'key usage');
	const extendedUsage = extension(ExtendedKeyUsageExtension);
	check(sameList(extendedUsage?.usages, purposes.map((purpose) => PURPOSE_OIDS[purpose])), 'extended key usage');
	const alternativeNames = extension(SubjectAlternativeNameExtension);
	const expectedNames = [...names.dnsNames.map((name) => `dns ${name}`), `url ${names.spiffeId}`];
	const actualNames = alternativeNames?.names.items.map((name) => `${name.type} ${name.value}`);
	check(alternativeNames?.critical === false && sameList(actualNames, expectedNames), 'alternative names');
	check(/^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)+$/.test(names.spiffeId), 'SPIFFE ID');
	check(extension(SubjectKeyIdentifierExtension)?.keyId === keyIdentifier(tbs.publicKey).toString('hex'), 'subject key identifier');
	check(extension(AuthorityKeyIdentifierExtension)?.keyId === issuer.keyId.toString('hex'), 'authority key identifier');
	check(certificate.extensions.length === 6, 'other extensions than those of the profile');
	return faults;
}

function sameList(actual: readonly unknown[] | undefined, expected: readonly string[]): boolean {
	return JSON.stringify(actual) === JSON.stringify(expected);
}

/** As OpenSSL prints it for node:crypto, one attribute a line. */
function subjectText(subject: ToBeSigned['subject']): string {
	const { organization, organizationalUnit, commonName } = subject;
	return [`O=${organization}`, ...(organizationalUnit === undefined ? [] : [`OU=${organizationalUnit}`]), `CN=${commonName}`].join('\n');
}
