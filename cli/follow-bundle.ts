/**
 * The login goes with its CA from one root to the next: every command that talks to the CA also looks
 * at the trust bundle, over TLS that the saved one validates. Another one is tried, saved, and
 * acknowledged; a failure costs the command nothing but a line on standard error.
 */

import { errorCode } from '#common/protocol/errors.ts';
import type { AcknowledgeRequest } from '#common/protocol/messages.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { requireBundle } from '#common/x509/bundle.ts';
import { clientOf, createCaClient, type CaClient } from './ca-client.ts';
import { loadProfile, saveProfile, type Profile, type TlsProfile } from './profile.ts';

export interface FollowBundleDeps {
	readonly environment?: NodeJS.ProcessEnv;
	/** gets a sentence for people */
	readonly warn: (sentence: string) => void;
}

/** A client for this login that looks at the trust bundle beside its first call. Whoever uses the admin socket trusts no bundle. */
export function createFollowingCaClient(profile: Profile, { environment, warn }: FollowBundleDeps): CaClient {
	const client = createCaClient(profile);
	if (profile.way === 'socket') return client;
	/** resolves with what went wrong */
	let looking: Promise<unknown> | undefined;
	return clientOf(async (...request) => {
		const isFirst = looking === undefined;
		looking ??= followBundle(profile, client, environment).catch((error: unknown) => error);
		try {
			const answer = await client.call(...request);
			const failure = await looking;
			if (isFirst && failure instanceof Error) warn(`the trust bundle of this login could not be brought up to date: ${failure.message}`);
			return answer;
		} finally {
			await looking;
		}
	});
}

async function followBundle(profile: TlsProfile, client: CaClient, environment: NodeJS.ProcessEnv | undefined): Promise<void> {
	const { body: bundle } = await client.call('GET', '/v1/roots');
	if (bundle === profile.bundle) return;
	requireBundle(bundle);
	const next = createCaClient({ ...profile, bundle });
	// The CA itself must be trusted by it, at the same moment.
	if ((await next.call('GET', '/v1/roots')).body !== bundle) return;
	const saved = loadProfile(undefined, { ...environment, BIRTHMARK_CA_SOCKET: '' });
	if (saved.way !== 'tls' || saved.certificate !== profile.certificate) return; // another login meanwhile
	// Said before it is saved, so that a failure of either has the next command try again.
	await acknowledgeBundle(next, bundle);
	await saveProfile({ ...profile, bundle }, environment);
}

/** Tells the CA that this bundle is in use; one that does not want to know is none the worse. */
export async function acknowledgeBundle(client: Pick<CaClient, 'call'>, bundle: string): Promise<void> {
	const request: AcknowledgeRequest = { digest: bundleDigest(bundle).toString('hex') };
	try {
		await client.call('POST', '/v1/bundle/acknowledge', request);
	} catch (error) {
		if (errorCode(error) !== 'not-found') throw error;
	}
}
