/**
 * The rules by which a CA changes its keys without anybody's handshake failing. Pure: from the trust
 * as it is to the trust as it shall be; `rotate.ts` decides when, the store makes it durable.
 *
 *     idle ──prepare──▶ prepared ──activate──▶ retiring ──finish──▶ idle
 *                          │                    ▲    │
 *                        abort                  └────┘
 *                          ▼                     abort
 *                         idle
 *
 * `prepared`: the bundle has the old root and the new one, everything is still issued under the old.
 * `retiring`: everything is issued under the new root, with a cross-certificate for those who know only
 * the old one; what was issued under the old is alive. To abort then is to go the other way: both change
 * places. A new intermediate under the same root goes the same way, with a bundle that never changes.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import type { AuthorityRecord, AuthorityState, TrustRecord } from '../store/trust-records.ts';

export type RotationStage = 'idle' | 'prepared' | 'retiring';

export interface Position {
	readonly stage: RotationStage;
	readonly active: AuthorityRecord;
	/** the one that is to come, or to go */
	readonly other?: AuthorityRecord;
}

const IN_USE: readonly AuthorityState[] = ['prepared', 'active', 'retiring'];

export function isInUse({ state }: Pick<AuthorityRecord, 'state'>): boolean {
	return IN_USE.includes(state);
}

/** @throws BirthmarkError `ca-missing` when no authority is active */
export function positionOf({ authorities }: Pick<TrustRecord, 'authorities'>): Position {
	const active = authorities.find(({ state }) => state === 'active');
	if (!active) throw new BirthmarkError('ca-missing', 'the database holds no CA: make one with "ca init", or restore it from a backup');
	const other = authorities.find(({ state }) => state === 'prepared' || state === 'retiring');
	return other ? { stage: other.state as RotationStage, active, other } : { stage: 'idle', active };
}

/** The trust bundle: every root in use, once, in the order of their generations, so that activating changes nothing in it. */
export function bundleOf(authorities: readonly AuthorityRecord[]): string {
	return [...new Set(authorities.filter(isInUse).map(({ root }) => root))].join('');
}

/** The first generation of a CA. */
export function establish(first: AuthorityRecord): TrustRecord {
	return withBundle({ version: 1, authorities: [first], bundles: [] }, first.createdAt);
}

/** @throws BirthmarkError `rotation-stage` */
export function prepare(trust: TrustRecord, newcomer: AuthorityRecord, at: Date): TrustRecord {
	requireStage(trust, ['idle']);
	return change({ ...trust, authorities: [...trust.authorities, newcomer] }, {}, at);
}

/** @throws BirthmarkError `rotation-stage` */
export function activate(trust: TrustRecord, at: Date): TrustRecord {
	const { active, other } = requireStage(trust, ['prepared']);
	return change(trust, { [active.generation]: 'retiring', [other!.generation]: 'active' }, at);
}

/** @throws BirthmarkError `rotation-stage` */
export function abort(trust: TrustRecord, at: Date): TrustRecord {
	const { stage, active, other } = requireStage(trust, ['prepared', 'retiring']);
	if (stage === 'prepared') return change(trust, { [other!.generation]: 'aborted' }, at);
	return change(trust, { [active.generation]: 'retiring', [other!.generation]: 'active' }, at);
}

/** @throws BirthmarkError `rotation-stage` */
export function finish(trust: TrustRecord, at: Date): TrustRecord {
	const { other } = requireStage(trust, ['retiring']);
	return change(trust, { [other!.generation]: 'retired' }, at);
}

/** Whatever the stage: the newcomer is active, and everything before it is void, also what was left behind and may have certificates that are alive. */
export function replaceCompromised(trust: TrustRecord, newcomer: AuthorityRecord, at: Date): TrustRecord {
	const voided = trust.authorities.filter(({ state }) => state !== 'void');
	const states = Object.fromEntries(voided.map(({ generation }) => [generation, 'void' as const]));
	return change({ ...trust, authorities: [...trust.authorities, newcomer] }, states, at);
}

/** @throws BirthmarkError `rotation-stage` when it is at another */
export function requireStage(trust: Pick<TrustRecord, 'authorities'>, stages: readonly RotationStage[]): Position {
	const position = positionOf(trust);
	if (stages.includes(position.stage)) return position;
	const is = position.stage === 'idle' ? 'no rotation is under way' : `a rotation is under way and ${position.stage}`;
	throw new BirthmarkError('rotation-stage', `${is}; see "birthmark ca rotate status"`);
}

function change(trust: TrustRecord, states: Readonly<Record<number, AuthorityState>>, at: Date): TrustRecord {
	const authorities = trust.authorities.map((authority) => {
		const state = states[authority.generation];
		return state === undefined ? authority : moved(authority, state, at);
	});
	return withBundle({ ...trust, version: trust.version + 1, authorities }, at);
}

/** What is out of use needs no keys, and nobody can lose what is not there. */
function moved({ rootKey, intermediateKey, ...authority }: AuthorityRecord, state: AuthorityState, at: Date): AuthorityRecord {
	const keys = { ...(rootKey !== undefined && { rootKey }), ...(intermediateKey !== undefined && { intermediateKey }) };
	return { ...authority, ...(IN_USE.includes(state) && keys), state, changedAt: at };
}

function withBundle(trust: TrustRecord, at: Date): TrustRecord {
	const bundle = bundleOf(trust.authorities);
	const digest = bundleDigest(bundle);
	if (trust.bundles.some((known) => known.digest.equals(digest))) return trust;
	return { ...trust, bundles: [...trust.bundles, { digest, bundle, publishedAt: at }] };
}
