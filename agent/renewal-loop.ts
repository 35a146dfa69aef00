/**
 * What is to be done for as long as the application lives, one thing at a time: renewal (when, on whose
 * demand, how often to try, when to give up) and a look at the CA's trust bundle now and then.
 */

import { errorCode, type ErrorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Demands } from './demand.ts';
import { createBundleFollower, type FollowBundleDeps } from './follow-bundle.ts';
import { EXPIRED, type Leaf } from './identity.ts';
import { renew, requireIdentity, type RenewDeps } from './renew.ts';
import { sleepUntil, type SleepUntilDeps } from './sleep.ts';
import { readIdentity } from './store.ts';

export interface RenewalLoopDeps extends RenewDeps, SleepUntilDeps {
	readonly ca: RenewDeps['ca'] & FollowBundleDeps['ca'];
	/** 0 ≤ x < 1 */
	readonly random: () => number;
	/** the longest time between two looks at the trust bundle */
	readonly bundleCheckSeconds: number;
	/** begins to look for demands; closed when the loop ends */
	readonly watchDemands: (directory: string) => Demands;
	/** called whenever something may have been published */
	readonly onPublished?: () => void;
	readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** Uniform within this part of the lifetime, so that containers born together do not renew together. */
const EARLIEST = 0.5;
const LATEST = 0.8;
const FIRST_DELAY_MS = 5_000;
const MAX_DELAY_MS = 3_600_000;
const MIN_DELAY_MS = 500;
/** So much of the life is left when a CA that is away begins to be worth a warning. */
export const ALARMING_PART = 0.1;

/** Failures that may pass. Every other one is a refusal by the CA and stays. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
	'ca-unavailable',
	'ca-protocol',
	'source-shut-out',
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
	const { clock, random, bundleCheckSeconds, onPublished = () => {} } = deps;
	const followBundle = createBundleFollower(directory, deps);
	let leaf: Leaf | undefined = requireIdentity(directory).leaf;
	const demands = deps.watchDemands(directory);
	try {
		let renewal = renewalInstant(clock.now(), leaf.notAfter, random);
		for (;;) {
			const look = lookInstant(clock.now(), bundleCheckSeconds, random);
			const looksFirst = look < renewal;
			const demanded: Leaf | undefined = await sleepUnlessDemanded(directory, looksFirst ? look : renewal, signal, { ...deps, demands });
			const isRenewed = demanded !== undefined || !looksFirst;
			if (isRenewed) {
				leaf = await renewPatiently(directory, demanded ?? leaf, signal, { ...deps, demands });
				if (leaf === undefined) return;
				onPublished();
				renewal = renewalInstant(clock.now(), leaf.notAfter, random);
			}
			// After a renewal as well: what kept another bundle out may be gone with the old certificate.
			const wantsRenewal = await followBundle(signal);
			onPublished();
			if (wantsRenewal && !isRenewed) renewal = clock.now();
		}
	} finally {
		demands.close();
	}
}

/** Spread over half of the interval, so that containers born together do not ask together. */
function lookInstant(now: Date, intervalSeconds: number, random: () => number): Date {
	return new Date(now.getTime() + intervalSeconds * 1000 * (0.5 + random() / 2));
}

/** From now, not from notBefore: the CA backdates, and that part of the lifetime was never there to use. */
export function renewalInstant(now: Date, notAfter: Date, random: () => number): Date {
	const lifetime = notAfter.getTime() - now.getTime();
	return new Date(now.getTime() + Math.max(MIN_DELAY_MS, lifetime * (EARLIEST + (LATEST - EARLIEST) * random())));
}

type Waiting = SleepUntilDeps & { readonly demands: Demands };

/** @returns the certificate in use when somebody demands that it is renewed now; it may be one that another process has published */
async function sleepUnlessDemanded(directory: string, instant: Date, signal: AbortSignal, deps: Waiting): Promise<Leaf | undefined> {
	for (;;) {
		const next = deps.demands.next();
		let demanded: Leaf | undefined;
		const isInUse = (serial: string): boolean => {
			const leaf = leafInUse(directory);
			demanded = leaf?.serial === serial ? leaf : undefined;
			return demanded !== undefined;
		};
		try {
			await sleepUntil(instant, AbortSignal.any([signal, next]), { ...deps, isOver: () => deps.demands.take(isInUse) });
			return demanded;
		} catch (error) {
			if (signal.aborted) throw signal.reason;
			if (!next.aborted) throw error;
		}
	}
}

function leafInUse(directory: string): Leaf | undefined {
	try {
		return readIdentity(directory)?.leaf;
	} catch {
		return undefined; // which the renewal that is due some time will find out
	}
}

/** @returns what is in use from now on; undefined when the CA refuses for good */
async function renewPatiently(directory: string, old: Leaf, signal: AbortSignal, deps: RenewalLoopDeps & Waiting): Promise<Leaf | undefined> {
	const { clock, logger, random } = deps;
	const alarming = (old.notAfter.getTime() - old.notBefore.getTime()) * ALARMING_PART;
	let isSaid = false;
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
				if (!isSaid) logger.error(EXPIRED, { code: 'identity-expired', reason: errorCode(error) });
				isSaid = true;
			} else if (isFinal) {
				logger.error('the CA refuses to renew this identity, it will not be asked again; the certificate in use ends at its date', { error });
			} else {
				// A CA that comes back in time was not missed by anybody.
				const isPatient = errorCode(error) === 'ca-unavailable' && remaining > alarming;
				logger[isPatient ? 'info' : 'warn']('renewal failed, the identity in use stays', { seconds: Math.round(delay / 1000), error });
			}
			if (isFinal) return undefined;
			await sleepUnlessDemanded(directory, new Date(clock.now().getTime() + delay), signal, deps);
		}
	}
}
