/**
 * The trust bundle as those read it who trust it: the root certificates of one CA, PEM; two while
 * one root takes the place of another.
 */

import { X509Certificate } from 'node:crypto';
import { BirthmarkError } from '../protocol/errors.ts';
import { decodePem } from './pem.ts';

/** A root is replaced by the next before there is a third; the rest is room for those of an external CA. */
export const MAX_ROOTS = 8;

/**
 * Checks form, not trust: certificate authorities in PEM and nothing else. TLS libraries skip what
 * they do not understand in a bundle, and an empty one may stand for all roots of the system.
 *
 * @throws BirthmarkError `ca-protocol`
 */
export function requireBundle(bundle: Buffer | string): void {
	const certificates = decodePem('CERTIFICATE', bundle.toString('latin1'));
	if (!certificates || certificates.length > MAX_ROOTS || !certificates.every(isAuthority)) {
		throw new BirthmarkError('ca-protocol', `the trust bundle that the CA serves is not one: 1 to ${MAX_ROOTS} CA certificates in PEM`);
	}
}

/** True when one root at least is in both: bundles of the same CA, one after the other. */
export function haveCommonRoot(one: Buffer | string, other: Buffer | string): boolean {
	const roots = decodePem('CERTIFICATE', other.toString('latin1')) ?? [];
	return (decodePem('CERTIFICATE', one.toString('latin1')) ?? []).some((root) => roots.some((candidate) => candidate.equals(root)));
}

function isAuthority(der: Buffer): boolean {
	try {
		return new X509Certificate(der).ca;
	} catch {
		return false;
	}
}
