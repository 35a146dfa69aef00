/**
 * From a one-time token to a published identity: a trust bundle whose digest is the token's, from then
 * on validated TLS only, CSR, checks, publication.
 */

import { errorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import { parseToken } from '#common/protocol/token.ts';
import { looksLikeUserToken, userTokenBundleDigest } from '#common/protocol/user-token.ts';
import type { CaClient } from './ca-client.ts';
import { deleteToken, readTokenFile, requireDirectory } from './directory.ts';
import type { Identity } from './identity.ts';
import { generateKey, type KeyWithRequest } from './key.ts';
import { pinnedBundle } from './pinned-bundle.ts';
import type { Publication } from './publication.ts';
import { retryWhileUnavailable, type RetryDeps } from './retry.ts';
import { publish, readIdentity } from './store.ts';
import { rehearseValidation, requireClock, validateIdentity } from './validate.ts';

export interface EnrolOptions {
	readonly directory: string;
	readonly tokenPath: string;
	readonly timeoutSeconds: number;
	readonly signal: AbortSignal;
}

export interface EnrolDeps extends RetryDeps {
	readonly ca: Pick<CaClient, 'fetchBundle' | 'sign'>;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
	/** how the files are to be */
	readonly publication?: Publication;
}

/**
 * An identity that is there already and still good is used as it is: an agent that was killed
 * between publication and the start of the application must be able to begin again.
 *
 * @throws BirthmarkError with nothing published and the token still there; the signal's reason when aborted
 */
export async function enrol(options: EnrolOptions, deps: EnrolDeps): Promise<Identity> {
	const { directory, tokenPath } = options;
	requireDirectory(directory);
	const existing = await usableIdentity(directory);
	if (existing) {
		discardToken(tokenPath, deps);
		return existing;
	}
	const tokenText = readTokenFile(tokenPath);
	const identity = await redeem(tokenText, options, deps);
	publish(directory, identity, deps.publication);
	discardToken(tokenPath, deps);
	return identity;
}

/** The token is spent: one that cannot be removed, from a read-only mount, is no reason to stop. */
function discardToken(path: string, { logger }: EnrolDeps): void {
	try {
		deleteToken(path);
	} catch (error) {
		logger.warn('the redeemed token could not be removed', { path, error });
	}
}

async function redeem(tokenText: string, { directory, timeoutSeconds, signal }: EnrolOptions, deps: EnrolDeps): Promise<Identity> {
	const { ca, clock } = deps;
	const expectedDigest = tokenDigest(tokenText);
	const deadline = new Date(clock.now().getTime() + timeoutSeconds * 1000);
	// One key for all attempts: when an answer is lost, the CA gives the same certificate to the same key.
	let made: KeyWithRequest | undefined;
	const own = (): KeyWithRequest => (made ??= generateKey());

	const bundle = await pinnedBundle(directory, expectedDigest, deadline, signal, deps);
	const request = { token: tokenText, csr: () => own().csr, whileWaiting: () => void rehearseValidation(bundle) };
	const issued = await retryWhileUnavailable(() => ca.sign(bundle, request, signal), deadline, signal, deps).catch(async (error: unknown) => {
		// A CA whose certificate is not good by this clock: without TLS it says what time it is. Nothing else counts that it says then.
		const answer = errorCode(error) === 'ca-protocol' ? await ca.fetchBundle(expectedDigest, signal).catch(() => undefined) : undefined;
		if (answer) requireClock(clock, answer.date);
		throw error;
	});
	requireClock(clock, issued.date);
	return validateIdentity({ key: own().key, chain: issued.chain, bundle });
}

/** A token of the CA or one that a user signed: the agent only wants to know which CA it is for. */
function tokenDigest(text: string): Buffer {
	return looksLikeUserToken(text) ? userTokenBundleDigest(text) : parseToken(text, 'container').bundleDigest;
}

async function usableIdentity(directory: string): Promise<Identity | undefined> {
	try {
		const identity = readIdentity(directory);
		return identity && (await validateIdentity(identity));
	} catch {
		return undefined; // expired or broken: the token decides
	}
}
