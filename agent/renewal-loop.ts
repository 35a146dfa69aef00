/** Renewal for as long as the application lives: when, how often to try, and when to give up. */

import { errorCode, type ErrorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Leaf } from './identity.ts';
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
	'identity-missing',
	'internal',
]);

/**
 * Returns when nothing more can be done, having said so in the log: the CA refused. The application
 * keeps running.
 *
 * @throws only the signal's reason, or BirthmarkError when there is no identity to begin with
 */
export async function keepRenewed(directory: string, signal: AbortSignal, deps: RenewalLoopDeps): Promise<void> {
	let leaf: Leaf | undefined = requireIdentity(directory).leaf;
	while (leaf !== undefined) {
		await sleepUntil(renewalInstant(deps.clock.now(), leaf.notAfter, deps.random), signal, deps);
		leaf = await renewPatiently(directory, leaf, signal, deps);
	}
}

/** From now, not from notBefore: the CA backdates, and that part of the lifetime was never there to use. */
export function renewalInstant(now: Date, notAfter: Date, random: () => number): Date {
	const lifetime = notAfter.getTime() - now.getTime();
	return new Date(now.getTime() + Math.max(MIN_DELAY_MS, lifetime * (EARLIEST + (LATEST - EARLIEST) * random())));
}

/** @returns what is in use from now on; undefined when the CA refuses for good */
async function renewPatiently(directory: string, old: Leaf, signal: AbortSignal, deps: RenewalLoopDeps): Promise<Leaf | undefined> {
	const { clock, logger, random, sleep } = deps;
	for (let ceiling = FIRST_DELAY_MS; ; ceiling = Math.min(ceiling * 2, MAX_DELAY_MS)) {
		try {
			const { leaf } = requireIdentity(directory);
			// `birthmark-agent renew` may have come first.
			return leaf.serial === old.serial ? (await renew(directory, signal, deps)).leaf : leaf;
		} catch (error) {
			if (signal.aborted) throw error;
			const isFinal = !PASSING.has(errorCode(error));
			const remaining = old.notAfter.getTime() - clock.now().getTime();
			// Half of what remains at most, so that the last attempts come close before the end. After it,
			// now and then: this clock may have been wrong for a while, and it is the CA that decides.
			const delay = remaining <= 0 ? MAX_DELAY_MS : Math.max(MIN_DELAY_MS, Math.min(ceiling / 2 + (random() * ceiling) / 2, remaining / 2));
			if (remaining <= 0) {
				logger.error('the identity has expired: restart the container for a new one', { code: 'identity-expired', reason: errorCode(error) });
			} else if (isFinal) {
				logger.error('the CA refuses to renew this identity, it will not be asked again; the certificate in use ends at its date', { error });
			} else {
				logger.warn('renewal failed, the identity in use stays', { seconds: Math.round(delay / 1000), error });
			}
			if (isFinal) return undefined;
			await sleep(delay, signal);
		}
	}
}
