/** Which peers are accepted: names that a certificate must have, compared as a whole. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { Party } from './party.ts';

/** Everything that is given must hold; of a list, one of its members. There are no patterns. */
export interface PeerMatcher {
	readonly spiffeId?: string | readonly string[];
	readonly trustDomain?: string | readonly string[];
	/** CN, the service instance */
	readonly commonName?: string | readonly string[];
	/** OU, its role */
	readonly organizationalUnit?: string | readonly string[];
	/** O, the environment */
	readonly organization?: string | readonly string[];
}

const FIELDS = ['spiffeId', 'trustDomain', 'commonName', 'organizationalUnit', 'organization'] as const;

/**
 * Nodes, operators and the CA match only by their whole SPIFFE ID: a node may be called as a service is.
 *
 * @returns a function that throws BirthmarkError `forbidden` for whoever matches none of them
 * @throws BirthmarkError `usage` for a matcher that would accept everybody, or nobody
 */
export function createCheck(matchers: readonly PeerMatcher[]): (peer: Party) => void {
	if (matchers.length === 0) throw new BirthmarkError('usage', 'no peer would be accepted: give a matcher such as { organizationalUnit: "web" }');
	const compiled = matchers.map(compile);
	return (peer) => {
		if (compiled.some((matches) => matches(peer))) return;
		throw new BirthmarkError('forbidden', `${quote(peer.spiffeId)} is not accepted here: no matcher names it`);
	};
}

function compile(matcher: PeerMatcher): (peer: Party) => boolean {
	const unknown = Object.keys(matcher).find((name) => !(FIELDS as readonly string[]).includes(name));
	if (unknown !== undefined) throw new BirthmarkError('usage', `${quote(unknown)} is nothing that peers are told apart by: use ${FIELDS.join(', ')}`);
	const fields = FIELDS.flatMap((field) => {
		const wanted = matcher[field];
		if (wanted === undefined) return [];
		const values: readonly unknown[] = Array.isArray(wanted) ? [...wanted as readonly unknown[]] : [wanted];
		if (values.length === 0 || values.some((value) => typeof value !== 'string' || value === '')) throw new BirthmarkError('usage', `${field} names no peer: give a name or leave it out`);
		return [{ field, values }];
	});
	if (fields.length === 0) throw new BirthmarkError('usage', 'an empty matcher would accept everybody: name what peers must have');
	const byWholeName = fields.some(({ field }) => field === 'spiffeId');
	return (peer) => (peer.isWorkload || byWholeName) && fields.every(({ field, values }) => values.includes(peer[field]));
}
