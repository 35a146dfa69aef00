/** What the lints of leaves (`lint.ts`) and of CA certificates (`lint-authority.ts`) have in common. */

import { BirthmarkError } from '../protocol/errors.ts';
import { decodeTbs, type DecodedCertificate, type DecodedExtension } from './certificate-decode.ts';
import { contextTag } from './der.ts';
import { DerError, DerReader } from './der-reader.ts';
import { ACCESS_OIDS, GENERAL_NAME, OID, type Pointers } from './extensions.ts';

/** RFC 5280 appendix A: ub-common-name and the like */
const MAX_ATTRIBUTE_LENGTH = 64;

type Extensions = ReadonlyMap<string, DecodedExtension>;

/**
 * @param tbs TBSCertificate, DER
 * @throws BirthmarkError `internal` that lists what is wrong
 */
export function requireSound(tbs: Buffer, faultsIn: (certificate: DecodedCertificate) => string[]): void {
	const faults = read(() => faultsIn(decodeTbs(tbs)));
	if (faults.length > 0) throw new BirthmarkError('internal', `the CA was about to sign a certificate that breaks its own profile: ${faults.join('; ')}`);
}

function read(faults: () => string[]): string[] {
	try {
		return faults();
	} catch (error) {
		if (error instanceof DerError) return [`not DER as it should be: ${error.message}`];
		throw error;
	}
}

/** The names of the checks that do not hold. */
export function faultsOf(checks: Readonly<Record<string, boolean>>): string[] {
	return Object.entries(checks).flatMap(([fault, holds]) => (holds ? [] : [fault]));
}

export function isSame(actual: unknown, expected: unknown): boolean {
	return JSON.stringify(actual) === JSON.stringify(expected);
}

/** See `serial.ts`. */
export function isSerial(serial: string): boolean {
	return /^[4-7][0-9a-f]{31}$/.test(serial);
}

/** @param attributes of a distinguished name, `[OID, value]` */
export function areBounded(attributes: ReadonlyArray<readonly [string, string]>): boolean {
	return attributes.every(([, value]) => value.length >= 1 && value.length <= MAX_ATTRIBUTE_LENGTH);
}

/** @returns a function that reads extnValue of an extension that is as critical as it should be */
export function extensionReader(extensions: Extensions): (oid: string, critical: boolean) => Buffer | undefined {
	return (oid, critical) => {
		const found = extensions.get(oid);
		return found?.critical === critical ? found.value : undefined;
	};
}

/** Every element of a SEQUENCE OF; undefined without one. */
export function list<T>(value: Buffer | undefined, read: (reader: DerReader) => T): T[] | undefined {
	if (!value) return undefined;
	const reader = DerReader.sequence(value);
	const items: T[] = [];
	while (!reader.isAtEnd) items.push(read(reader));
	return items;
}

/** Which extensions these pointers make. */
export function pointerOids({ crl, ocsp, caIssuers }: Pointers): string[] {
	return [...(crl === undefined ? [] : [OID.crlDistributionPoints]), ...(ocsp === undefined && caIssuers === undefined ? [] : [OID.authorityInformationAccess])];
}

export function pointerFaults(extensions: Extensions, pointers: Pointers): string[] {
	const value = extensionReader(extensions);
	return faultsOf({
		'revocation list pointer': pointers.crl === undefined || distributionPoint(value(OID.crlDistributionPoints, false)) === pointers.crl,
		'access pointers': isSame(list(value(OID.authorityInformationAccess, false), accessOf) ?? [], accessesOf(pointers)),
		'pointers that are not http': Object.values(pointers).every((url) => url.startsWith('http://')),
	});
}

function accessOf(reader: DerReader): readonly [string, string] {
	const description = reader.sequence();
	return [description.oid(), description.only(uri)];
}

function accessesOf({ ocsp, caIssuers }: Pointers): Array<readonly [string, string]> {
	return [...(ocsp === undefined ? [] : [[ACCESS_OIDS.ocsp, ocsp] as const]), ...(caIssuers === undefined ? [] : [[ACCESS_OIDS.caIssuers, caIssuers] as const])];
}

function distributionPoint(value: Buffer | undefined): string | undefined {
	const one = (reader: DerReader) => reader.only((inner) => inner.constructed(contextTag(0)));
	return value && one(one(DerReader.sequence(value).only((reader) => reader.sequence()))).only(uri);
}

function uri(reader: DerReader): string {
	return reader.only((inner) => inner.next(contextTag(GENERAL_NAME.uri, 'primitive'))).toString('latin1');
}
