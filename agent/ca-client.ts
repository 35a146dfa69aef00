/** What the agent asks of the CA: the trust bundle, a certificate for a token, a certificate for a certificate. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { CSR_CONTENT_TYPE, PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import { errorFromProblem } from '#common/protocol/problem.ts';
import type { CaAddress } from './ca-address.ts';
import { requestCa, type CaAnswer, type Credentials } from './ca-request.ts';

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

/**
 * Every method throws BirthmarkError: the CA's own code when it refused (4xx), `ca-unavailable`
 * when it could not be reached or answered 5xx, `ca-protocol` when it is not a CA of this kind.
 */
export function createCaClient(address: CaAddress): CaClient {
	return {
		async fetchBundle(signal) {
			const answer = succeeded(await requestCa(address, { method: 'GET', path: '/v1/roots', trust: 'unverified', signal }));
			return { bundle: answer.body, date: answer.date };
		},
		async sign(bundle, token, csr, signal) {
			// The token travels in a header: URLs end up in logs.
			const headers = { ...CSR_HEADERS, Authorization: `Bearer ${token}` };
			const request = { method: 'POST', path: '/v1/sign', headers, body: csr, trust: bundle, signal } as const;
			return issued(await requestCa(address, request));
		},
		async renew(bundle, credentials, csr, signal) {
			const request = { method: 'POST', path: '/v1/renew', headers: CSR_HEADERS, body: csr, trust: bundle, credentials, signal } as const;
			return issued(await requestCa(address, request));
		},
	};
}

const CSR_HEADERS = { 'Content-Type': CSR_CONTENT_TYPE, 'Accept': PEM_CHAIN_CONTENT_TYPE };

function issued(answer: CaAnswer): IssuedChain {
	return { chain: succeeded(answer).body.toString('latin1'), date: answer.date };
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
