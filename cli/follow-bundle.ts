/**
 * The login goes with its CA from one root to the next: every command that talks to the CA also tells it
 * which trust bundle the login has, over TLS that this bundle validates, and is told whether there is
 * another one. That is tried, saved, and only then acknowledged; and when the CA wants the certificate
 * renewed, it is. A failure costs the command nothing but a line on standard error.
 */

import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { BUNDLE_HEADER, type AcknowledgeAnswer, type AcknowledgeRequest } from '#common/protocol/messages.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { requireBundle } from '#common/x509/bundle.ts';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { createCaClient, jsonBy, type CaClient } from './ca-client.ts';
import { loadProfile, saveProfile, type Profile, type TlsProfile } from './profile.ts';

export interface FollowBundleDeps {
	readonly environment?: NodeJS.ProcessEnv;
	/** gets a sentence for people */
	readonly warn: (sentence: string) => void;
}

/** A client for this login that follows the CA beside its first call. Whoever uses the admin socket trusts no bundle. */
export function createFollowingCaClient(profile: Profile, { environment, warn }: FollowBundleDeps): CaClient {
	const client = createCaClient(profile);
	if (profile.way === 'socket') return client;
	/** resolves with what went wrong */
	let following: Promise<unknown> | undefined;
	const call: CaClient['call'] = async (...request) => {
		const isFirst = following === undefined;
		following ??= follow(profile, client, environment).catch((error: unknown) => error);
		try {
			const answer = await client.call(...request);
			const failure = await following;
			if (isFirst && failure instanceof Error) warn(`this login could not be brought up to date with the CA: ${failure.message}`);
			return answer;
		} finally {
			await following;
		}
	};
	return { ...client, call, json: jsonBy(call) };
}

async function follow(before: TlsProfile, client: CaClient, environment: NodeJS.ProcessEnv | undefined): Promise<void> {
	/** @returns false when there was another login meanwhile */
	const save = async (profile: TlsProfile): Promise<boolean> => {
		if (!isStillSaved(before, environment)) return false;
		await saveProfile(profile, environment);
		return true;
	};
	let profile = before;
	let answer = await acknowledgeBundle(client, before.bundle);
	if (answer?.digest !== hexDigest(before.bundle)) {
		const { body: bundle } = await client.call('GET', '/v1/roots');
		if (bundle !== before.bundle) {
			requireBundle(bundle);
			profile = { ...before, bundle };
			const changed = createCaClient(profile);
			// The CA itself must be trusted by it, at the same moment.
			if ((await changed.call('GET', '/v1/roots')).body !== bundle || !(await save(profile))) return;
			answer = await acknowledgeBundle(changed, bundle);
		}
	}
	if (answer?.renew) await save(await renew(profile));
}

/**
 * Tells the CA that this bundle is in use.
 *
 * @returns undefined from a CA that does not want to know
 */
async function acknowledgeBundle(client: Pick<CaClient, 'json'>, bundle: string): Promise<AcknowledgeAnswer | undefined> {
	const request: AcknowledgeRequest = { digest: hexDigest(bundle) };
	try {
		return await client.json<AcknowledgeAnswer>('POST', '/v1/bundle/acknowledge', request);
	} catch (error) {
		if (errorCode(error) === 'not-found') return undefined;
		throw error;
	}
}

async function renew(profile: TlsProfile): Promise<TlsProfile> {
	const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
	const { body: certificate } = await createCaClient(profile).certify('/v1/renew', encodeCsr({ privateKey, publicKey }), { [BUNDLE_HEADER]: hexDigest(profile.bundle) });
	if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
		throw new BirthmarkError('ca-protocol', 'the CA renewed with a certificate for another key');
	}
	return { ...profile, key, certificate };
}

function isStillSaved({ certificate }: TlsProfile, environment: NodeJS.ProcessEnv | undefined): boolean {
	const saved = loadProfile(undefined, { ...(environment ?? process.env), BIRTHMARK_CA_SOCKET: '' });
	return saved.way === 'tls' && saved.certificate === certificate;
}

function hexDigest(bundle: string): string {
	return bundleDigest(bundle).toString('hex');
}
