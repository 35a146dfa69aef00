/** What the agent asks of the CA: the trust bundle, a certificate for a token, a certificate for a certificate. */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { BUNDLE_HEADER, CSR_CONTENT_TYPE, PEM_CHAIN_CONTENT_TYPE, type AcknowledgeAnswer, type AcknowledgeRequest, type ReloadReport } from '#common/protocol/messages.ts';
import { errorFromProblem } from '#common/protocol/problem.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { createFailOver, SERVICE_UNAVAILABLE, tryInOrder } from '#common/runtime/fail-over.ts';
import type { CaAddress } from './ca-address.ts';
import { REQUEST_TIMEOUT_MS, requestCa, type CaAnswer, type CaRequest } from './ca-request.ts';
import type { Credentials } from './secure-connection.ts';

export interface CaClient {
	/**
	 * `GET /v1/roots?digest=…` without TLS validation: good only after its digest was compared. A CA that
	 * has replaced its root since the token was minted still serves the one before.
	 */
	fetchBundle(digest: Buffer, signal: AbortSignal): Promise<FetchedBundle>;
	/** `GET /v1/roots`, validated with a bundle. @returns the CA's, undefined when it is that one */
	changedBundle(bundle: Buffer, signal: AbortSignal): Promise<Buffer | undefined>;
	/**
	 * `POST /v1/bundle/acknowledge` by mTLS: the identity's bundle is in use.
	 *
	 * @returns undefined from a CA that does not want to know
	 */
	acknowledge(identity: Credentials & { readonly bundle: Buffer }, signal: AbortSignal): Promise<AcknowledgeAnswer | undefined>;
	/** `POST /v1/reloads` by mTLS: what became of this certificate. A CA that does not want to know is told in vain. */
	report(identity: Credentials & { readonly bundle: Buffer }, report: ReloadReport, signal: AbortSignal): Promise<void>;
	/** `POST /v1/sign`; the same token and key again give the same certificate. */
	sign(bundle: Buffer, request: SignRequest, signal: AbortSignal): Promise<IssuedChain>;
	/** `POST /v1/renew` by mTLS with the certificate in use; tells the CA which bundle is. */
	renew(bundle: Buffer, credentials: Credentials, csr: string, signal: AbortSignal): Promise<IssuedChain>;
}

export interface SignRequest {
	readonly token: string;
	/** PEM; may be asked for more than once */
	readonly csr: () => string;
	/** what can be done while the CA works; called once for each attempt, and must not throw */
	readonly whileWaiting?: () => void;
}

export interface FetchedBundle {
	/** the exact bytes that the CA served */
	readonly bundle: Buffer;
	/** the CA's clock when it answered */
	readonly date: Date | undefined;
}

export interface IssuedChain {
	/** PEM, leaf first; not yet checked */
	readonly chain: string;
	readonly date: Date | undefined;
}

/** Failures to get an answer, and answers of something that is not the CA: the next address may be better. */
const ELSEWHERE: readonly string[] = ['ca-unavailable', 'ca-protocol'];

/**
 * Every method throws BirthmarkError: the CA's own code when it refused (4xx), `ca-unavailable`
 * when it could not be reached or answered 5xx, `ca-protocol` when it is not a CA of this kind.
 *
 * @param addresses of the instances of one CA; one request is never waited for longer with many than with one
 */
export function createCaClient(addresses: readonly CaAddress[]): CaClient {
	const failOver = createFailOver(addresses);

	/** @returns a success, or 304 */
	async function ask(request: CaRequest): Promise<CaAnswer> {
		const answer = await tryInOrder(failOver, {
			deadlineMs: REQUEST_TIMEOUT_MS,
			attempt: (address, timeoutMs) => requestCa(address, { ...request, timeoutMs }),
			settles: ({ status }) => status !== SERVICE_UNAVAILABLE,
			movesOn: (error) => !request.signal.aborted && ELSEWHERE.includes(errorCode(error)),
		});
		return succeeded(answer);
	}

	return {
		async fetchBundle(digest, signal) {
			const path = `/v1/roots?digest=${digest.toString('hex')}`;
			try {
				const { body, date } = await ask({ method: 'GET', path, trust: 'unverified', signal });
				return { bundle: body, date };
			} catch (cause) {
				if (errorCode(cause) !== 'not-found') throw cause;
				throw new BirthmarkError('bundle-digest-mismatch', `the CA knows no trust bundle with the digest that the token carries: ${NEW_TOKEN}`, { cause });
			}
		},
		async changedBundle(bundle, signal) {
			const headers = { 'If-None-Match': `"${hexDigest(bundle)}"` };
			const { status, body } = await ask({ method: 'GET', path: '/v1/roots', headers, trust: bundle, signal });
			return status === NOT_MODIFIED || body.equals(bundle) ? undefined : body;
		},
		async acknowledge({ bundle, ...credentials }, signal) {
			const request: AcknowledgeRequest = { digest: hexDigest(bundle) };
			try {
				return acknowledgement(await ask({ method: 'POST', path: '/v1/bundle/acknowledge', headers: JSON_HEADERS, body: JSON.stringify(request), trust: bundle, credentials, signal }));
			} catch (error) {
				if (errorCode(error) === 'not-found') return undefined;
				throw error;
			}
		},
		async report({ bundle, ...credentials }, report, signal) {
			try {
				await ask({ method: 'POST', path: '/v1/reloads', headers: JSON_HEADERS, body: JSON.stringify(report), trust: bundle, credentials, signal });
			} catch (error) {
				if (errorCode(error) !== 'not-found') throw error;
			}
		},
		async sign(bundle, { token, csr, whileWaiting }, signal) {
			// The token travels in a header: URLs end up in logs.
			const headers = { ...CSR_HEADERS, Authorization: `Bearer ${token}` };
			return issued(await ask({ method: 'POST', path: '/v1/sign', headers, body: csr, trust: bundle, signal, ...(whileWaiting && { whileWaiting }) }));
		},
		async renew(bundle, credentials, csr, signal) {
			const headers = { ...CSR_HEADERS, [BUNDLE_HEADER]: hexDigest(bundle) };
			return issued(await ask({ method: 'POST', path: '/v1/renew', headers, body: csr, trust: bundle, credentials, signal }));
		},
	};
}

const NOT_MODIFIED = 304;
/** What to do about a token whose CA cannot be found. */
export const NEW_TOKEN = 'another CA answered, or its roots changed; restart the container for a new token';
const JSON_HEADERS = { 'Content-Type': 'application/json' };
const CSR_HEADERS = { 'Content-Type': CSR_CONTENT_TYPE, 'Accept': PEM_CHAIN_CONTENT_TYPE };

function issued({ body, date }: CaAnswer): IssuedChain {
	return { chain: body.toString('latin1'), date };
}

function acknowledgement({ body }: CaAnswer): AcknowledgeAnswer {
	try {
		const { digest, renew } = JSON.parse(body.toString('utf8')) as AcknowledgeAnswer;
		return { digest: String(digest), renew: renew === true };
	} catch (cause) {
		throw new BirthmarkError('ca-protocol', 'the CA answered an acknowledgement with something else than JSON', { cause });
	}
}

function hexDigest(bundle: Buffer): string {
	return bundleDigest(bundle).toString('hex');
}

function succeeded(answer: CaAnswer): CaAnswer {
	const { status, body } = answer;
	if ((status >= 200 && status < 300) || status === NOT_MODIFIED) return answer;
	const problem = errorFromProblem(status, body.toString('utf8'));
	if (status >= 500) {
		throw new BirthmarkError(
			'ca-unavailable',
			`the CA answered ${status} (${problem.code}): see the CA's log`, { cause: problem },
		);
	}
	throw problem;
}
