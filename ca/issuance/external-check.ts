/**
 * Whether the certificate that an external CA sent is the one that was asked for: key, names, purposes,
 * dates, and the signature of an issuer that the operator has named. Every fault is told at once.
 */

import { X509Certificate } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { PURPOSE_OIDS } from '#common/x509/extensions.ts';
import { decodePem } from '#common/x509/pem.ts';
import type { Identity } from './identity.ts';

/** Clocks of two CAs differ. */
const SKEW_MS = 5 * 60_000;

export interface Expected {
	readonly identity: Identity;
	/** SubjectPublicKeyInfo, DER */
	readonly publicKey: Buffer;
	/** whether the SPIFFE ID was asked for */
	readonly asksForUri: boolean;
	readonly issuers: readonly X509Certificate[];
	readonly now: Date;
}

export interface Checked {
	readonly certificate: X509Certificate;
	readonly issuer: X509Certificate;
}

/**
 * @param pem the leaf, or the leaf first
 * @throws BirthmarkError `upstream-refused`
 */
export function checkExternal(pem: string, { identity, publicKey, asksForUri, issuers, now }: Expected): Checked {
	const [der] = decodePem('CERTIFICATE', pem) ?? [];
	if (!der) throw unfit(['it is not PEM']);
	const certificate = parse(der);
	const faults: string[] = [];
	const check = (holds: boolean, fault: string): void => void (holds || faults.push(fault));
	const { commonName, organizationalUnit, organization, profile, spiffeId, alternativeNames } = identity;

	check(certificate.publicKey.export({ format: 'der', type: 'spki' }).equals(publicKey), 'its key is another');
	check(sameSet(certificate.subject.split('\n'), [`CN=${commonName}`, `OU=${organizationalUnit}`, `O=${organization}`]), 'its subject is another');
	const names = [...alternativeNames.map((name) => `DNS:${name}`), ...(asksForUri ? [`URI:${spiffeId}`] : [])];
	check(sameSet(certificate.subjectAltName?.split(', ') ?? [], names), 'its alternative names are others');
	check(!certificate.ca, 'it is a CA');
	check(sameSet(certificate.keyUsage ?? [], profile.purposes.map((purpose) => PURPOSE_OIDS[purpose])), 'its purposes are others');
	const [from, until] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
	check(from <= now.getTime() + SKEW_MS && until > now.getTime(), 'it is not valid now');
	check(until - now.getTime() <= profile.maximumSeconds * 1000 + SKEW_MS, `it is valid for longer than the ${profile.maximumSeconds} s of the profile "${profile.name}"`);
	const issuer = issuers.find((candidate) => certificate.checkIssued(candidate) && certificate.verify(candidate.publicKey));
	check(issuer !== undefined, 'none of the certificates in the chain file has signed it');
	if (issuer) check(until <= issuer.validToDate.getTime() && issuer.validToDate > now, 'it outlives its issuer');
	if (faults.length > 0) throw unfit(faults);
	return { certificate, issuer: issuer! };
}

function parse(der: Buffer): X509Certificate {
	try {
		return new X509Certificate(der);
	} catch (cause) {
		throw unfit(['it is no certificate'], cause);
	}
}

/** Expected names hold none of the characters that OpenSSL would escape, so texts can be compared. */
function sameSet(actual: readonly string[], expected: readonly string[]): boolean {
	return actual.length === expected.length && JSON.stringify([...actual].sort()) === JSON.stringify([...expected].sort());
}

function unfit(faults: readonly string[], cause?: unknown): BirthmarkError {
	return new BirthmarkError('upstream-refused', `the certificate from the external CA is not what was asked for: ${faults.join('; ')}`, { cause });
}
