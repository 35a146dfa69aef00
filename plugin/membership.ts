/**
 * Keeps the node a member of its CA: joins when there is no certificate or another join token,
 * renews at a random point in 50–80 % of the certificate's life, follows the CA's trust bundle, and tries
 * again for ever.
 */

import { createPrivateKey, createPublicKey } from 'node:crypto';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { Clock } from '#common/runtime/clock.ts';
import type { FailOver } from '#common/runtime/fail-over.ts';
import type { Logger } from '#common/runtime/log.ts';
import { haveCommonRoot } from '#common/x509/bundle.ts';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { createBundleFollower, type FollowBundleDeps } from './follow-bundle.ts';
import { joinCa, joinTokenHash, newKey } from './join.ts';
import { leafOf, type NodeIdentityStore } from './node-identity.ts';
import { refusalText } from './refusal.ts';

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** How often the CA, its trust bundle and the age of the certificate are looked at: timers do not run while a machine is suspended. */
const CHECK_MS = 15_000;
const RENEWAL_WINDOW = [0.5, 0.8] as const;

export interface MembershipDeps {
	readonly store: NodeIdentityStore;
	readonly ca: { renew(csr: string): Promise<string>; whoAmI(): Promise<unknown> } & FollowBundleDeps['ca'];
	/** URLs of the CA's instances */
	readonly instances: FailOver<string> | undefined;
	readonly joinToken: string | undefined;
	/** the configured name, or the engine's */
	readonly nodeName: () => Promise<string>;
	/** what an earlier CA authorized is void */
	readonly onOtherCa: () => void;
	readonly clock: Clock;
	/** 0 ≤ x < 1 */
	readonly random: () => number;
	readonly logger: Logger;
}

export interface Membership {
	/** why there is no membership; undefined when there is one */
	problem(): string | undefined;
	close(): void;
}

export function startMembership(deps: MembershipDeps): Membership {
	let retryMs = FIRST_RETRY_MS;
	let problem: string | undefined = deps.store.current() ? undefined : 'not joined yet';
	let timer: NodeJS.Timeout | undefined;
	let closed = false;
	let renewal: { readonly of: string; readonly at: number } | undefined;

	const followBundle = createBundleFollower(deps);

	async function turn(): Promise<void> {
		try {
			// A step that fails, a join token that is past its time for one, must not cost the membership that there is.
			const failures: unknown[] = [];
			const take = <T>(step: () => Promise<T>): Promise<T | undefined> => step().catch((error: unknown) => void failures.push(error));
			await take(() => join(deps));
			const isRenewed = await take(renewWhenDue);
			if ((await followBundle()) && !isRenewed) renewal = { of: deps.store.current()!.certificate, at: 0 };
			// Is the CA there, are the clocks together? Its client remembers.
			if (deps.store.current()) await take(() => deps.ca.whoAmI());
			if (failures.length > 0) throw failures[0];
			problem = deps.store.current() ? undefined : 'CA_URL or JOIN_TOKEN is not set';
			retryMs = FIRST_RETRY_MS;
			again(Math.min(CHECK_MS, Math.max(FIRST_RETRY_MS, renewalTime() - deps.clock.now().getTime())));
		} catch (error) {
			problem = refusalText(error);
			deps.logger.warn('this node is not in touch with its CA, trying again', { code: errorCode(error), seconds: retryMs / 1000, error });
			again(retryMs);
			retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
		}
	}

	/** Milliseconds since the epoch, drawn once for each certificate. */
	function renewalTime(): number {
		const identity = deps.store.current();
		if (!identity) return Infinity;
		if (renewal?.of !== identity.certificate) {
			const { notBefore, notAfter } = leafOf(identity.certificate, identity.key);
			const [from, to] = RENEWAL_WINDOW;
			renewal = { of: identity.certificate, at: notBefore.getTime() + (notAfter.getTime() - notBefore.getTime()) * (from + deps.random() * (to - from)) };
		}
		return renewal.at;
	}

	/** @returns true when it was */
	async function renewWhenDue(): Promise<boolean> {
		const identity = deps.store.current();
		if (!identity || deps.clock.now().getTime() < renewalTime()) return false;
		const key = newKey();
		const certificate = await deps.ca.renew(encodeCsr({ privateKey: createPrivateKey(key), publicKey: createPublicKey(key) }));
		if (!leafOf(certificate, key).matchesKey) {
			throw new BirthmarkError('certificate-invalid', 'the CA renewed with a certificate for another key');
		}
		await deps.store.save({ ...identity, key, certificate });
		deps.logger.info('renewed the certificate of the node', { node: identity.name });
		return true;
	}

	function again(delayMs: number): void {
		if (!closed) timer = setTimeout(() => void turn(), delayMs);
	}

	again(0);
	return {
		problem: () => problem,
		close: () => {
			closed = true;
			clearTimeout(timer);
		},
	};
}

async function join({ store, instances, joinToken, nodeName, onOtherCa, logger }: MembershipDeps): Promise<void> {
	const before = store.current();
	if (!instances || !joinToken || before?.joinTokenHash === joinTokenHash(joinToken)) return;
	const joined = await joinCa(store, instances, joinToken, await nodeName());
	// The root of a CA may have changed since; two bundles of one CA still have one in common.
	if (before && !haveCommonRoot(before.bundle, joined.bundle)) onOtherCa();
	logger.info('joined', { node: joined.name });
}
