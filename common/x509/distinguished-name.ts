/** Distinguished names (RFC 5280 §4.1.2.4): O, OU, CN, most significant first, each a UTF8String of its own RDN. */

import { encode, encodeOid, Tag } from './der.ts';
import { DerError, type DerReader } from './der-reader.ts';

/** A distinguished name as the project writes it. */
export interface Subject {
	readonly commonName: string;
	readonly organizationalUnit?: string;
	readonly organization: string;
}

const OIDS = { organization: '2.5.4.10', organizationalUnit: '2.5.4.11', commonName: '2.5.4.3' } as const;
const ENCODED_OIDS = { organization: encodeOid(OIDS.organization), organizationalUnit: encodeOid(OIDS.organizationalUnit), commonName: encodeOid(OIDS.commonName) };

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
