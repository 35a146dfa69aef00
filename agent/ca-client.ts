/** What the agent asks of the CA: the trust bundle, a certificate for a token, a certificate for a certificate. */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { CSR_CONTENT_TYPE, PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import { errorFromProblem } from '#common/protocol/problem.ts';
import { createFailOver, SERVICE_UNAVAILABLE, tryInOrder } from '#common/runtime/fail-over.ts';
import type { CaAddress } from './ca-address.ts';
import { REQUEST_TIMEOUT_MS, requestCa, type CaAnswer, type CaRequest, type Credentials } from './ca-request.ts';

export interface CaClient {
	/** `GET /v1/roots` without TLS validation: good only after its digest was compared. */
	fetchBundle(signal: AbortSignal): Promise<FetchedBundle>;
	/** `POST /v1/sign`; the same token and key again give the same certificate. */
	sign(bundle: Buffer, token: string, csr: string, signal: AbortSignal): Promise<IssuedChain>;
	/** `POST /v1/renew` by mTLS with the certificate in use. */
	renew(bundle: Buffer, credentials: Credentials, csr: string, signal: AbortSignal): Promise<IssuedChain>;
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

	/** @returns a success */
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
		async fetchBundle(signal) {
			const answer = await ask({ method: 'GET', path: '/v1/roots', trust: 'unverified', signal });
			return { bundle: answer.body, date: answer.date };
		},
		async sign(bundle, token, csr, signal) {
			// The token travels in a header: URLs end up in logs.
			const headers = { ...CSR_HEADERS, Authorization: `Bearer ${token}` };
			return issued(await ask({ method: 'POST', path: '/v1/sign', headers, body: csr, trust: bundle, signal }));
		},
		async renew(bundle, credentials, csr, signal) {
			return issued(await ask({ method: 'POST', path: '/v1/renew', headers: CSR_HEADERS, body: csr, trust: bundle, credentials, signal }));
		},
	};
}

const CSR_HEADERS = { 'Content-Type': CSR_CONTENT_TYPE, 'Accept': PEM_CHAIN_CONTENT_TYPE };

function issued({ body, date }: CaAnswer): IssuedChain {
	return { chain: body.toString('latin1'), date };
}

function succeeded(answer: CaAnswer): CaAnswer {
	const { status, body } = answer;
	if (status >= 200 && status < 300) return answer;
	const problem = errorFromProblem(status, body.toString('utf8'));
	if (status >= 500) {
		throw new BirthmarkError(
			'ca-unavailable',
			`the CA answered ${status} (${problem.code}): see the CA's log`, { cause: problem },
		);
	}
	throw problem;
}
