/**
 * Names that go into certificates: instance (CN), role (OU), environment (O), DNS names.
 *
 * Stricter than RFC 5280 asks, because every name is at the same time a segment of a SPIFFE ID
 * path, a DNS label sequence and something that people read in logs.
 */

import { BirthmarkError } from './errors.ts';

/** RFC 5280 appendix A, ub-common-name */
const MAX_NAME_LENGTH = 64;
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
/** RFC 1123 §2.1 labels, lower case, no underscore, no trailing dot, no wildcard */
const DNS_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** Names that belong to Birthmark's own parts: a container that got one could pass for the CA. */
const RESERVED_PREFIX = 'birthmark';

export type NameKind = 'common name' | 'user name' | 'role' | 'environment' | 'node name';

/**
 * Checks an instance, role, environment or node name. Instances and nodes are host names
 * (RFC 1123), because a CN repeats itself as a DNS subject alternative name.
 *
 * @returns the same name
 * @throws BirthmarkError `name-illegal` with the rule that was broken
 */
export function checkName(kind: NameKind, value: string): string {
	const fail = (why: string): never => {
		throw new BirthmarkError('name-illegal', `the ${kind} ${quote(value)} is not accepted: ${why}`);
	};
	if (value === '') fail('it is empty');
	if (value.length > MAX_NAME_LENGTH) fail(`it is longer than ${MAX_NAME_LENGTH} characters`);
	if (/[\u0000-\u001f\u007f]/.test(value)) fail('it contains control characters');
	if (value.includes('*')) fail('wildcards are not issued to containers');
	if (/[/\\]/.test(value)) fail('it looks like a path');
	if (value.toLowerCase().startsWith(RESERVED_PREFIX)) fail(`names that begin with "${RESERVED_PREFIX}" are reserved`);
	if (kind === 'common name' || kind === 'node name') {
		if (!DNS_NAME.test(value)) fail('use a host name: lower-case letters, digits, "-" and ".", no underscore');
		if (readsAsAddress(value)) fail('it reads as an IP address');
	} else if (!NAME.test(value) || value.includes('..')) {
		fail('use letters, digits, "-", "_" and "." and begin and end with a letter or digit');
	}
	return value;
}

/** @throws BirthmarkError `name-illegal` when it is not a host name in lower case (RFC 1123), or reserved */
export function checkDnsName(value: string): string {
	if (!DNS_NAME.test(value)) throw new BirthmarkError('name-illegal', `the DNS name ${quote(value)} is not accepted: use lower-case host names without wildcard, underscore or trailing dot`);
	if (readsAsAddress(value)) throw new BirthmarkError('name-illegal', `the DNS name ${quote(value)} is not accepted: it reads as an IP address`);
	if (value.startsWith(RESERVED_PREFIX)) throw new BirthmarkError('name-illegal', `the DNS name ${quote(value)} is not accepted: names that begin with "${RESERVED_PREFIX}" are reserved`);
	return value;
}

/** True for a host name in lower case (RFC 1123), whoever's. */
export function isDnsName(value: string): boolean {
	return DNS_NAME.test(value) && !readsAsAddress(value);
}

/**
 * The role of an instance of which nobody said it: its name without the number at the end, `api01` → `api`,
 * `shop-api-3` → `shop-api`, `db` → `db`. A legal name leads to a legal role.
 *
 * @param commonName as {@link checkName} returned it
 */
export function roleOf(commonName: string): string {
	return commonName.replace(/-*[0-9]+$/, '');
}

/** True for host names that URL parsers take for IPv4: those whose last label is a number. */
function readsAsAddress(value: string): boolean {
	return /^\d+$/.test(value.split('.').at(-1)!);
}

/** A name as it may be shown in a message: quoted, bounded, without characters that steer a terminal or reorder text. */
export function quote(value: string): string {
	const shown = value.length > 80 ? value.slice(0, 80) + '…' : value;
	return printable(JSON.stringify(shown));
}

/** The text with `?` for control characters and for those that are invisible or reorder what stands around them. */
export function printable(text: string): string {
	return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}
