/**
 * Answers in the form of cfssl's API (cfssl `api/api.go`, `errors/error.go`): `success`, `result`,
 * `errors`, `messages`, and error numbers of a category in the thousands and a reason below.
 */

import type { ErrorCode } from '#common/protocol/errors.ts';
import type { Problem } from '#common/protocol/problem.ts';
import type { ApiAnswer } from './route.ts';

/** CSRError 9000: DecodeFailed 2, BadRequest 300. PolicyError 5000: InvalidRequest 300, UnmatchedWhitelist 500. APIClientError 7000: AuthenticationFailure 100. */
const CFSSL_CODES: Partial<Record<ErrorCode, number>> = {
	'csr-malformed': 9002,
	'csr-signature-invalid': 9300,
	'csr-key-weak': 9300,
	'csr-key-unsupported': 9300,
	'csr-key-compromised': 9300,
	'name-illegal': 5300,
	'name-not-allowed': 5500,
	'forbidden': 5300,
	'unauthenticated': 7100,
	'certificate-revoked': 7100,
	'identity-expired': 7100,
};

/** @param certificate PEM, the leaf first */
export function cfsslSuccess(certificate: string): ApiAnswer {
	return { status: 200, json: { success: true, result: { certificate }, errors: [], messages: [] }, isPrivate: true };
}

/** As cfssl does, the HTTP status is the number of an error that is not one of cfssl's own. */
export function cfsslFailure({ code, status, detail }: Problem): ApiAnswer {
	const errors = [{ code: CFSSL_CODES[code] ?? status, message: `${detail} [${code}]` }];
	return { status, json: { success: false, result: null, errors, messages: [] }, isPrivate: true };
}
