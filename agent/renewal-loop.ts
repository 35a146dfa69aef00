/** Renewal for as long as the application lives: when, how often to try, and when to give up. */

import { errorCode, type ErrorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import { renew, requireIdentity, type RenewDeps } from './renew.ts';
import { sleepUntil, type Sleep } from './sleep.ts';

export interface RenewalLoopDeps extends RenewDeps {
	/** 0 ≤ x < 1 */
	readonly random: () => number;
	readonly sleep: Sleep;
	readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** Uniform within this part of the lifetime, so that containers born together do not renew together. */
const EARLIEST = 0.5;
const LATEST = 0.8;
const FIRST_DELAY_MS = 5_000;
const MAX_DELAY_MS = 3_600_000;
const MIN_DELAY_MS = 500;

/** Failures that may pass. Every other one is a refusal by the CA and stays. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
	'ca-unavailable',
	'ca-protocol',
	'certificate-invalid',
	'directory-full',
	'directory-unusable',
	'internal',
]);

/**
 * Returns when nothing more can be done, having said so in the log: the CA refused, or the identity
 * expired while the CA was away. The application keeps running either way.
 *
 * @throws only the signal's reason
 */
export async function keepRenewed(directory: string, signal: AbortSignal, deps: RenewalLoopDeps): Promise<void> {
	for (;;) {
		const { leaf } = requireIdentity(directory);
		await sleepUntil(renewalInstant(deps.clock.now(), leaf.notAfter, deps.random), signal, deps);
		// `birthmark-agent renew` may have come first.
		if (requireIdentity(directory).leaf.serial !== leaf.serial) continue;
		if (!(await renewBeforeExpiry(directory, leaf.notAfter, signal, deps))) return;
	}
}

/** From now, not from notBefore: the CA backdates, and that part of the lifetime was never there to use. */
export function renewalInstant(now: Date, notAfter: Date, random: () => number): Date {
	const lifetime = Math.max(0, notAfter.getTime() - now.getTime());
	return new Date(now.getTime() + lifetime * (EARLIEST + (LATEST - EARLIEST) * random()));
}

/** @returns whether there is a new identity */
async function renewBeforeExpiry(directory: string, notAfter: Date, signal: AbortSignal, deps: RenewalLoopDeps): Promise<boolean> {
	const { clock, logger, random, sleep } = deps;
	for (let ceiling = FIRST_DELAY_MS; ; ceiling = Math.min(ceiling * 2, MAX_DELAY_MS)) {
		try {
			await renew(directory, signal, deps);
			return true;
		} catch (error) {
			if (signal.aborted) throw error;
			if (!PASSING.has(errorCode(error))) {
				logger.error('the CA refuses to renew this identity, it will not be asked again; the certificate in use ends at its date', { error });
				return false;
			}
			const remaining = notAfter.getTime() - clock.now().getTime();
			if (remaining <= 0) {
				const fields = { code: 'identity-expired', reason: errorCode(error) };
				logger.error('the identity has expired and cannot renew itself any more: restart the container for a new one', fields);
				return false;
			}
			// Half of what remains at most, so that the last attempts come close before the end.
			const delay = Math.max(MIN_DELAY_MS, Math.min(ceiling / 2 + (random() * ceiling) / 2, remaining / 2));
			logger.warn('renewal failed, the identity in use stays', { seconds: Math.round(delay / 1000), error });
			await sleep(delay, signal);
		}
	}
}
