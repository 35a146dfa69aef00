/** Distinguished names (RFC 5280 §4.1.2.4): O, OU, CN, most significant first, each a UTF8String of its own RDN. */

import { encode, encodeOid, Tag } from './der.ts';
import { DerError, DerReader } from './der-reader.ts';

/** A distinguished name as the project writes it. */
export interface Subject {
	readonly commonName: string;
	readonly organizationalUnit?: string;
	readonly organization: string;
}

const OIDS = { organization: '2.5.4.10', organizationalUnit: '2.5.4.11', commonName: '2.5.4.3' } as const;
const ENCODED_OIDS = { organization: encodeOid(OIDS.organization), organizationalUnit: encodeOid(OIDS.organizationalUnit), commonName: encodeOid(OIDS.commonName) };

/** By tag: UTF8String, PrintableString, TeletexString as everybody reads it, IA5String. */
const STRING_ENCODINGS: Readonly<Record<number, 'utf8' | 'latin1'>> = { [Tag.utf8String]: 'utf8', 0x13: 'latin1', 0x14: 'latin1', 0x16: 'latin1' };

/** @returns DER */
export function encodeSubject({ organization, organizationalUnit, commonName }: Subject): Buffer {
	return encode(
		Tag.sequence,
		attribute('organization', organization),
		...(organizationalUnit === undefined ? [] : [attribute('organizationalUnit', organizationalUnit)]),
		attribute('commonName', commonName),
	);
}

/** Every attribute in order, as `[OID, value]`; UTF8String only, one attribute to an RDN. */
export function readAttributes(name: DerReader): Array<readonly [oid: string, value: string]> {
	const attributes: Array<readonly [string, string]> = [];
	while (!name.isAtEnd) {
		const pair = name.constructed(Tag.set).only((set) => set.sequence());
		const oid = pair.oid();
		const bytes = pair.only((reader) => reader.next(Tag.utf8String));
		const value = bytes.toString();
		if (!Buffer.from(value).equals(bytes)) throw new DerError('an attribute of a name is not UTF-8');
		attributes.push([oid, value]);
	}
	return attributes;
}

/**
 * The CN of a name that somebody else wrote, undefined without one.
 *
 * @throws DerError when there are several, or it is in a string type that RFC 5280 §4.1.2.4 does not have
 */
export function readCommonName(name: DerReader): string | undefined {
	let commonName: string | undefined;
	while (!name.isAtEnd) {
		const set = name.constructed(Tag.set);
		while (!set.isAtEnd) {
			const pair = set.sequence();
			const isCommonName = pair.oid() === OIDS.commonName;
			const element = pair.only((reader) => reader.raw());
			if (!isCommonName) continue;
			if (commonName !== undefined) throw new DerError('more than one common name');
			commonName = readString(element);
		}
	}
	return commonName;
}

function readString(element: Buffer): string {
	const reader = new DerReader(element);
	const tag = element[0]!;
	const bytes = reader.next(tag);
	const encoding = STRING_ENCODINGS[tag];
	if (encoding === undefined) throw new DerError('a common name in a string type that is not accepted');
	const text = bytes.toString(encoding);
	if (!Buffer.from(text, encoding).equals(bytes)) throw new DerError('a common name that is not in the encoding of its type');
	return text;
}

/** What {@link readAttributes} returns for this subject. */
export function attributesOf({ organization, organizationalUnit, commonName }: Subject): Array<readonly [oid: string, value: string]> {
	return [
		[OIDS.organization, organization],
		...(organizationalUnit === undefined ? [] : [[OIDS.organizationalUnit, organizationalUnit] as const]),
		[OIDS.commonName, commonName],
	];
}

function attribute(kind: keyof typeof OIDS, value: string): Buffer {
	return encode(Tag.set, encode(Tag.sequence, ENCODED_OIDS[kind], encode(Tag.utf8String, Buffer.from(value))));
}
