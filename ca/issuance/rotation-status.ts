/** Where a rotation stands, and who would be cut off by its next step. */

import { X509Certificate } from 'node:crypto';
import type { RotationLaggards, RotationStatus } from '#common/protocol/messages.ts';
import { printable } from '#common/protocol/names.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import type { Store } from '../store/store.ts';
import type { AuthorityRecord, CutOff, Laggards, TrustRecord } from '../store/trust-records.ts';
import type { Authorities } from './authorities.ts';
import { isInUse, positionOf } from './rotation.ts';

export interface WaitDeps {
	readonly store: Pick<Store, 'listWithoutBundle' | 'listIssuedBy'>;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly clock: { now(): Date };
	/** how long a step has to spread to every instance, and lists to every verifier, before the next */
	readonly settleSeconds: number;
}

export interface Wait {
	/** in the future */
	readonly settledAt?: Date;
	readonly withoutBundle?: Laggards;
	readonly underOld?: Laggards;
}

export async function rotationStatus(trust: TrustRecord, deps: WaitDeps): Promise<RotationStatus> {
	const { stage, active, other } = positionOf(trust);
	const status = {
		stage,
		digest: deps.authorities.current().digest.toString('hex'),
		generations: trust.authorities.filter(isInUse).map(toGeneration),
	};
	if (!other) return status;
	const { withoutBundle, underOld } = await laggards(trust, deps);
	return {
		...status,
		changes: other.root === active.root ? 'intermediate' : 'root',
		isManual: active.isManual || other.isManual,
		settledAt: settledAt(trust, deps).toISOString(),
		...(withoutBundle && { withoutBundle: toLaggards(withoutBundle) }),
		...(underOld && { underOld: toLaggards(underOld) }),
	};
}

/**
 * @param atMost how many of those who are waited for are to be found
 * @returns undefined when the next step cuts nobody off
 */
export async function findWait(trust: TrustRecord, deps: WaitDeps, atMost?: number): Promise<Wait | undefined> {
	const { withoutBundle, underOld } = await laggards(trust, deps, atMost);
	const settled = settledAt(trust, deps);
	const wait: Wait = {
		...(settled > deps.clock.now() && { settledAt: settled }),
		...(withoutBundle && withoutBundle.count > 0 && { withoutBundle }),
		...(underOld && underOld.count > 0 && { underOld }),
	};
	return Object.keys(wait).length > 0 ? wait : undefined;
}

export function describeWait({ settledAt: settled, withoutBundle, underOld }: Wait): string {
	const reasons: string[] = [];
	if (withoutBundle) reasons.push(`${withoutBundle.count} identities have not taken up the new trust bundle (${names(withoutBundle)})`);
	if (underOld) reasons.push(`${underOld.count} identities use certificates of the old issuer (${names(underOld)})`);
	if (settled) reasons.push(`not every instance and verifier may have seen the last step before ${settled.toISOString()}`);
	return `${reasons.join('; ')}: wait, or force it and cut them off`;
}

/** By the root that is going to stay: that of the newcomer before it is activated, of the active one afterwards. */
export function cutOffNext(trust: TrustRecord, authorities: WaitDeps['authorities']): CutOff {
	const { stage, active, other } = positionOf(trust);
	const staying = stage === 'prepared' ? other! : active;
	// Also as they are served, which may be with the roots of another CA beside ours. This instance may not have followed the last step yet.
	const bundles = [...trust.bundles.map(({ bundle }) => Buffer.from(bundle)), ...authorities.current().bundles.values()];
	const good = bundles.filter((bundle) => bundle.includes(staying.root)).map(bundleDigest);
	return {
		...(other && other.root !== active.root && { withoutBundle: good }),
		...(stage === 'retiring' && { underOld: [other!.generation] }),
	};
}

async function laggards(trust: TrustRecord, { store, authorities, clock }: WaitDeps, atMost?: number): Promise<Pick<Wait, 'withoutBundle' | 'underOld'>> {
	const { withoutBundle, underOld } = cutOffNext(trust, authorities);
	const now = clock.now();
	return {
		...(withoutBundle && { withoutBundle: await store.listWithoutBundle(withoutBundle, now, atMost) }),
		...(underOld && { underOld: await store.listIssuedBy(underOld, now, atMost) }),
	};
}

/** From when on the next step may be taken. */
export function settledAt(trust: TrustRecord, { settleSeconds }: WaitDeps): Date {
	const { active, other } = positionOf(trust);
	const changedAt = Math.max(active.changedAt.getTime(), other?.changedAt.getTime() ?? 0);
	return new Date(changedAt + settleSeconds * 1000);
}

function toGeneration({ generation, state, root, intermediate, rootKey }: AuthorityRecord): RotationStatus['generations'][number] {
	const [rootCertificate, certificate] = [new X509Certificate(root), new X509Certificate(intermediate)];
	return {
		generation,
		state: state as 'prepared' | 'active' | 'retiring',
		root: rootCertificate.fingerprint256.replaceAll(':', '').toLowerCase(),
		rootNotAfter: rootCertificate.validToDate.toISOString(),
		intermediateNotAfter: certificate.validToDate.toISOString(),
		hasRootKey: rootKey !== undefined,
	};
}

function toLaggards({ count, first, lastNotAfter }: Laggards): RotationLaggards {
	return {
		count,
		first: first.map(({ notAfter, ...who }) => ({ ...who, notAfter: notAfter.toISOString() })),
		...(lastNotAfter && { lastNotAfter: lastNotAfter.toISOString() }),
	};
}

function names({ first, count }: Laggards): string {
	const shown = first.slice(0, 5).map(({ role, commonName }) => `${role} ${printable(commonName)}`);
	return shown.join(', ') + (count > shown.length ? ', …' : '');
}
