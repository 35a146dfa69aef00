/**
 * What came back from the CA is checked as if a stranger had sent it, before anything of it becomes
 * visible: names, key, chain, dates, and this machine's clock.
 */

import { X509Certificate } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Clock } from '#common/runtime/clock.ts';
import { readLeaf, type Identity } from './identity.ts';
import { shakeHandsWithSelf } from './self-handshake.ts';

/** As far as the CA backdates: beyond it fresh certificates are not yet valid for one of the two. */
const MAX_CLOCK_SKEW_SECONDS = 60;

/**
 * @returns the identity, usable as client and, unless it is for clients only, as server
 * @throws BirthmarkError `certificate-invalid`
 */
export async function validateIdentity({ key, chain, bundle }: Pick<Identity, 'key' | 'chain' | 'bundle'>): Promise<Identity> {
	const leaf = readLeaf(chain);
	try {
		await shakeHandsWithSelf({ key, chain, bundle }, leaf.dnsNames[0]);
	} catch (cause) {
		const why = cause instanceof Error ? cause.message : String(cause);
		throw new BirthmarkError('certificate-invalid', `the certificate is not usable with this key and trust bundle: ${why}`, { cause });
	}
	return { key, chain, bundle, leaf };
}

/**
 * What takes the runtime most of the time of a validation, the first time that it does it: for a moment when
 * there is nothing to do but wait. It is a handshake with nothing to show, and never fails.
 */
export async function rehearseValidation(bundle: Buffer): Promise<void> {
	try {
		new X509Certificate(bundle);
		await shakeHandsWithSelf({ bundle }, 'rehearsal.invalid');
	} catch {
		// With nothing to show it is refused, as it should be; what is wrong with the bundle the validation itself says.
	}
}

/**
 * Positive when this clock is ahead of the CA's.
 *
 * @param caDate from the CA's answer, to the second; 0 is returned when it sent none
 */
export function clockSkewSeconds(clock: Clock, caDate: Date | undefined): number {
	return caDate === undefined ? 0 : Math.round((clock.now().getTime() - caDate.getTime()) / 1000);
}

/** @throws BirthmarkError `clock-skew` that says by how much and which way */
export function requireClock(clock: Clock, caDate: Date | undefined): void {
	const skew = clockSkewSeconds(clock, caDate);
	if (Math.abs(skew) <= MAX_CLOCK_SKEW_SECONDS) return;
	const way = skew > 0 ? 'ahead of' : 'behind';
	throw new BirthmarkError(
		'clock-skew',
		`this machine's clock is ${Math.abs(skew)} s ${way} the CA's: set the clocks of both (at most ${MAX_CLOCK_SKEW_SECONDS} s apart)`,
	);
}
