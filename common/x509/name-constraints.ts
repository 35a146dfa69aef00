/** Name constraints of an issuer (RFC 5280 §4.2.1.10), as `extensions.ts` writes them: which names it may give. */

import { contextTag } from './der.ts';
import { DerReader } from './der-reader.ts';
import { GENERAL_NAME, type NameConstraints } from './extensions.ts';

const DNS = contextTag(GENERAL_NAME.dns, 'primitive');
const URI = contextTag(GENERAL_NAME.uri, 'primitive');

/**
 * What is permitted. Of what is excluded, addresses are never issued anyway.
 *
 * @param value extnValue; undefined for an issuer without constraints
 * @throws DerError for constraints in another form than that of this project
 */
export function decodeNameConstraints(value: Buffer | undefined): NameConstraints {
	if (!value) return {};
	const constraints = DerReader.sequence(value);
	if (!constraints.has(contextTag(0))) return {};
	const permitted = constraints.constructed(contextTag(0));
	const dnsDomains: string[] = [];
	let uriHost: string | undefined;
	while (!permitted.isAtEnd) {
		const subtree = permitted.sequence();
		if (subtree.has(DNS)) dnsDomains.push(subtree.only((reader) => reader.next(DNS)).toString('latin1'));
		else uriHost = subtree.only((reader) => reader.next(URI)).toString('latin1');
	}
	return { ...(dnsDomains.length > 0 && { dnsDomains }), ...(uriHost !== undefined && { uriHost }) };
}

/** @returns the first of the names that the issuer may not give; undefined when it may give them all */
export function findForbiddenName({ dnsDomains, uriHost }: NameConstraints, dnsNames: readonly string[], uri: string | undefined): string | undefined {
	const isForbidden = (name: string) => dnsDomains !== undefined && !dnsDomains.some((domain) => name === domain || name.endsWith(`.${domain}`));
	const dnsName = dnsNames.find(isForbidden);
	if (dnsName !== undefined) return dnsName;
	return uri !== undefined && uriHost !== undefined && uri.split('/')[2] !== uriHost ? uri : undefined;
}
