/**
 * How a node joins a CA: the trust bundle is fetched without TLS validation and compared with the
 * digest in the join token; everything after that is validated TLS (design of Swarm's join, which
 * compares the digest of the whole bundle).
 */

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, timingSafeEqual } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkName } from '#common/protocol/names.ts';
import { CA_SERVER_NAME, type JoinAnswer, type JoinRequest } from '#common/protocol/messages.ts';
import { errorFromProblem } from '#common/protocol/problem.ts';
import { bundleDigest, parseToken } from '#common/protocol/token.ts';
import { SERVICE_UNAVAILABLE, tryInOrder, type FailOver } from '#common/runtime/fail-over.ts';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { leafOf, type NodeIdentity, type NodeIdentityStore } from './node-identity.ts';
import { exchange, type Answer } from './request.ts';

const DEADLINE_MS = 5_000;
const MAX_BYTES = 256 * 1024;

/** Remembered to tell tokens apart without keeping one. */
export function joinTokenHash(token: string): string {
	return createHash('sha256').update(token).digest('hex');
}

/**
 * Joins once, at the first instance that answers. The key is stored before it is sent, so that the call can be repeated after a crash or
 * a lost answer.
 *
 * @param name asked for; the token's own name wins
 * @throws BirthmarkError `bundle-digest-mismatch`, `token-*`, `node-exists`, `ca-unavailable` …
 */
export async function joinCa(store: NodeIdentityStore, instances: FailOver<string>, token: string, name: string): Promise<NodeIdentity> {
	const hash = joinTokenHash(token);
	const bundle = await fetchBundle(instances, token);
	const pending = store.pendingJoin();
	const key = pending?.joinTokenHash === hash ? pending.key : newKey();
	await store.savePendingJoin({ key, joinTokenHash: hash });
	const privateKey = createPrivateKey(key);
	const body: JoinRequest = { role: 'node', csr: encodeCsr({ privateKey, publicKey: createPublicKey(key) }), name: checkName('node name', name.toLowerCase()) };
	const answer = await call(instances, '/v1/join', JSON.stringify(body), { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, bundle);
	if (answer.status !== 201) throw errorFromProblem(answer.status, answer.body);
	const joined = JSON.parse(answer.body) as JoinAnswer;
	if (joined.role !== 'node') throw new BirthmarkError('token-wrong-name', 'the join token is one for an operator; create one for a node');
	if (!leafOf(joined.certificate, key).matchesKey) {
		throw new BirthmarkError('certificate-invalid', 'the CA answered with a certificate for another key');
	}
	const identity: NodeIdentity = {
		key,
		certificate: joined.certificate,
		bundle,
		name: joined.name,
		trustDomain: joined.trustDomain,
		environment: joined.environment,
		joinTokenHash: hash,
	};
	await store.save(identity);
	return identity;
}

/** @returns PEM, PKCS#8, of a fresh P-256 key */
export function newKey(): string {
	return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

async function fetchBundle(instances: FailOver<string>, token: string): Promise<string> {
	const digest = parseToken(token, 'join').bundleDigest;
	const answer = await call(instances, `/v1/roots?digest=${digest.toString('hex')}`, undefined, {}, undefined);
	if (answer.status !== 200 && answer.status !== 404) throw errorFromProblem(answer.status, answer.body);
	if (!timingSafeEqual(bundleDigest(answer.body), digest)) {
		throw new BirthmarkError(
			'bundle-digest-mismatch',
			'the CA serves another trust bundle than the join token was made for; check CA_URL, or get a new join token',
		);
	}
	return answer.body;
}

async function call(
	instances: FailOver<string>,
	path: string,
	body: string | undefined,
	headers: Record<string, string>,
	bundle: string | undefined,
): Promise<Answer> {
	const trust = bundle === undefined ? { rejectUnauthorized: false } : { ca: bundle };
	const options = { method: body === undefined ? 'GET' : 'POST', headers, servername: CA_SERVER_NAME, minVersion: 'TLSv1.3', agent: false, ...trust } as const;
	let asked = '';
	try {
		return await tryInOrder(instances, {
			deadlineMs: DEADLINE_MS,
			attempt: (base, deadlineMs) => {
				const url = new URL(path, base);
				asked = url.host;
				return exchange((signal, onAnswer) => httpsRequest(url, { ...options, signal }, onAnswer), body, { deadlineMs, maxBytes: MAX_BYTES });
			},
			settles: ({ status }) => status !== SERVICE_UNAVAILABLE,
			movesOn: () => true,
		});
	} catch (cause) {
		throw new BirthmarkError('ca-unavailable', `the CA at ${asked} could not be reached; start it or check CA_URL`, { cause });
	}
}
