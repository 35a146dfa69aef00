/**
 * SPIFFE IDs as the project issues them (SPIFFE-ID specification §2):
 *
 *     spiffe://<trust domain>/<environment>/<role>/<instance>
 *     spiffe://<trust domain>/birthmark/<ca|node|operator>/<name>
 */

import { BirthmarkError } from './errors.ts';
import { quote } from './names.ts';

const TRUST_DOMAIN = /^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;
const MAX_BYTES = 2048;

/** @throws BirthmarkError `name-illegal` when it is no trust domain name (lower case, digits, ".", "-", "_") */
export function checkTrustDomain(value: string): string {
	if (!TRUST_DOMAIN.test(value)) throw new BirthmarkError('name-illegal', `${quote(value)} is not a trust domain: use lower-case letters, digits, ".", "-" and "_"`);
	return value;
}

/**
 * @param segments at least one; each not empty, not "." or "..", of letters, digits, ".", "-", "_"
 * @throws BirthmarkError `name-illegal`
 */
export function spiffeId(trustDomain: string, segments: readonly string[]): string {
	checkTrustDomain(trustDomain);
	if (segments.length === 0) throw new BirthmarkError('name-illegal', 'a SPIFFE ID of a workload has a path');
	for (const segment of segments) {
		if (!SEGMENT.test(segment) || segment === '.' || segment === '..') throw new BirthmarkError('name-illegal', `${quote(segment)} cannot be a segment of a SPIFFE ID`);
	}
	const id = `spiffe://${trustDomain}/${segments.join('/')}`;
	if (id.length > MAX_BYTES) throw new BirthmarkError('name-illegal', `the SPIFFE ID is longer than ${MAX_BYTES} bytes`);
	return id;
}
