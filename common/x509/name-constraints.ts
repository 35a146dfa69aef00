/** Name constraints of an issuer (RFC 5280 §4.2.1.10), as `extensions.ts` writes them: which names it may give. */

import { contextTag } from './der.ts';
import { DerError, DerReader } from './der-reader.ts';
import { GENERAL_NAME, type NameConstraints } from './extensions.ts';
import type { LeafNames } from './profile.ts';

const DNS = contextTag(GENERAL_NAME.dns, 'primitive');
const URI = contextTag(GENERAL_NAME.uri, 'primitive');
const IP = contextTag(GENERAL_NAME.ip, 'primitive');

/**
 * What is permitted. Nothing but addresses is excluded, which are never issued anyway.
 *
 * @param value extnValue; undefined for an issuer without constraints
 * @throws DerError for constraints in another form than that of this project
 */
export function decodeNameConstraints(value: Buffer | undefined): NameConstraints {
	if (!value) return {};
	const constraints = DerReader.sequence(value);
	const dnsDomains: string[] = [];
	let uriHost: string | undefined;
	if (constraints.has(contextTag(0))) {
		const permitted = constraints.constructed(contextTag(0));
		while (!permitted.isAtEnd) {
			const subtree = permitted.sequence();
			if (subtree.has(DNS)) dnsDomains.push(subtree.only((reader) => reader.next(DNS)).toString('latin1'));
			else if (uriHost === undefined) uriHost = subtree.only((reader) => reader.next(URI)).toString('latin1');
			else throw new DerError('name constraints with two hosts for URIs');
		}
	}
	const excluded = constraints.only((reader) => reader.constructed(contextTag(1)));
	while (!excluded.isAtEnd) excluded.sequence().only((reader) => reader.next(IP));
	return { ...(dnsDomains.length > 0 && { dnsDomains }), ...(uriHost !== undefined && { uriHost }) };
}

/**
 * @param commonName without DNS names verifiers take a CN with a dot for one
 * @returns the first of the names that the issuer may not give; undefined when it may give them all
 */
export function findForbiddenName({ dnsDomains, uriHost }: NameConstraints, { dnsNames, spiffeId }: LeafNames, commonName: string): string | undefined {
	const isForbidden = (name: string) => dnsDomains !== undefined && !dnsDomains.some((domain) => name === domain || name.endsWith(`.${domain}`));
	const hostNames = dnsNames.length > 0 || !commonName.includes('.') ? dnsNames : [commonName];
	const hostName = hostNames.find(isForbidden);
	if (hostName !== undefined) return hostName;
	return spiffeId !== undefined && uriHost !== undefined && spiffeId.split('/')[2] !== uriHost ? spiffeId : undefined;
}
