/**
 * Rotation at work: takes the steps that `rotation.ts` allows, when they hurt nobody or when an
 * operator insists. Any instance may take any step: a step is one transaction, and of two that take it
 * at once one is too late.
 */

import { X509Certificate } from 'node:crypto';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { RotationRequest, RotationStatus } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { RevokedCertificate } from '#common/x509/crl.ts';
import { importSigningKey, type SigningKey } from '#common/x509/keys.ts';
import { SYSTEM, type Actor } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { AuthorityRecord, TrustChange, TrustRecord } from '../store/trust-records.ts';
import { createAuthority, createIntermediate, rootIssuer, type AuthorityDeps, type NewAuthority, type Root } from './authority.ts';
import { sealAuthority, type KeyVault } from './key-vault.ts';
import { cutOffNext, describeWait, findWait, rotationStatus, settledAt, type WaitDeps } from './rotation-status.ts';
import { abort, activate, finish, positionOf, prepare, replaceCompromised, requireStage } from './rotation.ts';

/** Between two looks for somebody who is cut off by the next step. */
const MAX_PAUSE_MS = 60_000;

export interface RotationDeps extends AuthorityDeps, WaitDeps {
	readonly store: Pick<Store, 'readTrust' | 'changeTrust' | 'listWithoutBundle' | 'listIssuedBy' | 'takeListNumber'>;
	readonly vault: KeyVault;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
	/** takes a change over in this instance: what it signs with, what its listener trusts and shows */
	readonly follow: () => Promise<void>;
}

export interface Rotation {
	status(): Promise<RotationStatus>;
	/** @throws BirthmarkError `rotation-stage`, `root-key-missing` */
	start(request: RotationRequest, by: Actor): Promise<RotationStatus>;
	/** @throws BirthmarkError `rotation-stage`, `rotation-waits` unless forced */
	activate(force: boolean, by: Actor): Promise<RotationStatus>;
	/** @throws BirthmarkError `rotation-stage` */
	abort(by: Actor): Promise<RotationStatus>;
	/** @throws BirthmarkError `rotation-stage`, `rotation-waits` unless forced */
	finish(force: boolean, by: Actor): Promise<RotationStatus>;
	/** Takes the next step if it is due, nobody is cut off by it, and nobody wants to take it himself. */
	advance(): Promise<void>;
}

export function createRotation(deps: RotationDeps): Rotation {
	const { store, authorities, vault, clock, logger, follow } = deps;
	let foundWaitAt = new Date(0);
	const status = async (): Promise<RotationStatus> => rotationStatus(await store.readTrust(), deps);
	const apply = async (change: TrustChange, by: Actor): Promise<void> => {
		const revoked = await store.changeTrust(change, by);
		if (revoked === 'waits') throw new BirthmarkError('rotation-waits', 'an identity that this step would cut off has come at the same moment, see "birthmark ca rotate status": wait, or force it and cut it off');
		if (revoked === undefined) throw new BirthmarkError('rotation-stage', 'the CA was changed at the same moment by somebody else; see "birthmark ca rotate status"');
		logger[change.voided ? 'warn' : 'info']('the keys of the CA have changed', { reason: change.action, ...(change.voided && { count: revoked }) });
		await follow();
	};
	const step = async (action: string, rule: (trust: TrustRecord, at: Date) => TrustRecord, force: boolean, by: Actor): Promise<void> => {
		const trust = await store.readTrust();
		const at = clock.now();
		const next = rule(trust, at);
		const wait = force ? undefined : await findWait(trust, deps);
		if (wait) throw new BirthmarkError('rotation-waits', describeWait(wait));
		// The look above tells who is waited for; what counts is the one in the transaction.
		await apply({ next, action, at, ...(!force && { unless: cutOffNext(trust, authorities) }), details: { force } }, by);
	};

	return {
		status,
		async start(request, by) {
			const trust = await store.readTrust();
			const at = clock.now();
			const { changes, isCompromised = false, isManual = false } = request;
			const newcomer = await make(trust, request, at);
			const details = { changes, generation: newcomer.generation };
			if (isCompromised) {
				const voided = trust.authorities.map(({ generation }) => generation);
				await apply({ next: replaceCompromised(trust, newcomer, at), action: 'rotation.compromised', at, voided, details }, by);
			} else {
				await apply({ next: prepare(trust, newcomer, at), action: 'rotation.start', at, details: { ...details, manual: isManual } }, by);
			}
			return status();
		},
		async activate(force, by) {
			await step('rotation.activate', activate, force, by);
			return status();
		},
		async abort(by) {
			await step('rotation.abort', abort, true, by);
			return status();
		},
		async finish(force, by) {
			await step('rotation.finish', finish, force, by);
			return status();
		},
		async advance() {
			// Nearly always there is nothing to do, which costs nothing to know.
			if (authorities.current().all.length === 1) return;
			const trust = await store.readTrust();
			const { stage, active, other } = positionOf(trust);
			const at = clock.now();
			if (stage === 'idle' || active.isManual || other!.isManual || settledAt(trust, deps) > at) return;
			// In a large fleet it takes long to look for those who are waited for; one is enough here, and so is now and then.
			const pause = Math.min(deps.settleSeconds * 1000, MAX_PAUSE_MS);
			if (foundWaitAt <= at && at.getTime() < foundWaitAt.getTime() + pause) return;
			if (await findWait(trust, deps, 1)) {
				foundWaitAt = at;
				return;
			}
			const [action, rule] = stage === 'prepared' ? ['rotation.activate', activate] as const : ['rotation.finish', finish] as const;
			await apply({ next: rule(trust, at), action, at, unless: cutOffNext(trust, authorities), details: { force: false } }, SYSTEM).catch((error: unknown) => {
				if (errorCode(error) === 'rotation-waits') foundWaitAt = at;
				// Another instance was first.
				else if (errorCode(error) !== 'rotation-stage') throw error;
			});
		},
	};

	async function make(trust: TrustRecord, request: RotationRequest, at: Date): Promise<AuthorityRecord> {
		const { changes, isCompromised = false, isManual = false } = request;
		const { active } = positionOf(trust);
		await requirePresentKey(active);
		if (!isCompromised) requireStage(trust, ['idle']);
		const generation = Math.max(...trust.authorities.map((authority) => authority.generation)) + 1;
		const state = isCompromised ? 'active' : 'prepared';
		const making = { ...deps, rootListNumber: await store.takeListNumber() };
		const seal = (authority: NewAuthority) => sealAuthority(authority, state, isManual, at, vault);
		if (changes === 'root') {
			// Nobody is to be led from a compromised root to the new one.
			return seal(createAuthority(generation, making, isCompromised ? undefined : { ...await rootOf(active, request.rootKey), generation: active.generation }));
		}
		const root = await rootOf(active, request.rootKey);
		const revoked = trust.authorities.filter((authority) => authority.root === root.certificate && (isCompromised || authority.state === 'void'));
		const sealed = await seal(createIntermediate(generation, root, making, revoked.map((authority) => revokedIntermediate(authority, at))));
		if (active.rootKey !== undefined) return sealed;
		// It was brought for this once.
		const { rootKey: _, ...withoutRootKey } = sealed;
		return withoutRootKey;
	}

	/** The key-encryption key may have been changed since this instance began; what is sealed with the old one nobody could open after a restart. */
	async function requirePresentKey({ intermediateKey }: AuthorityRecord): Promise<void> {
		try {
			await vault.decrypt(intermediateKey!);
		} catch (cause) {
			throw new BirthmarkError('ca-unavailable', 'the key-encryption key has been changed since this instance of the CA was started: start it again with the present one', { cause });
		}
	}

	async function rootOf({ root, rootKey }: AuthorityRecord, brought: string | undefined): Promise<Root> {
		if (rootKey !== undefined) return { certificate: root, key: await vault.decrypt(rootKey) };
		if (brought === undefined) throw new BirthmarkError('root-key-missing', 'the key of the root is kept off line: bring it with --root-key FILE');
		const own = { certificate: root, key: readKey(brought) };
		try {
			rootIssuer(own);
		} catch (cause) {
			throw new BirthmarkError('root-key-missing', 'the key that was brought is not that of the present root', { cause });
		}
		return own;
	}
}

function readKey(pem: string): SigningKey {
	try {
		return importSigningKey(pem);
	} catch (cause) {
		throw new BirthmarkError('request-malformed', 'rootKey is not an EC P-256 key in PKCS#8 PEM', { cause });
	}
}

function revokedIntermediate({ intermediate, state, changedAt }: AuthorityRecord, at: Date): RevokedCertificate {
	const serial = new X509Certificate(intermediate).serialNumber.toLowerCase();
	return { serial, revokedAt: state === 'void' ? changedAt : at, reason: 'cACompromise' };
}
