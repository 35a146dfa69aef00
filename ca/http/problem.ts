/** The one place where error codes become HTTP: problem documents, RFC 9457. */

import { BirthmarkError, ERROR_CODES, type ErrorCode } from '#common/protocol/errors.ts';
import { problemType, type Problem } from '#common/protocol/problem.ts';

/** Every code has a status, so that a new one cannot be forgotten; those that never leave the CA are faults of it. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
	'request-malformed': 400,
	'request-too-large': 413,
	'not-found': 404,
	'method-not-allowed': 405,
	'unauthenticated': 401,
	'forbidden': 403,
	'source-shut-out': 429,
	'token-malformed': 400,
	'token-unknown': 404,
	'token-used': 409,
	'token-expired': 410,
	'token-wrong-name': 403,
	'token-invalid': 403,
	'csr-malformed': 400,
	'csr-signature-invalid': 400,
	'csr-key-weak': 400,
	'csr-key-unsupported': 400,
	'csr-key-reused': 409,
	'csr-key-compromised': 403,
	'name-illegal': 400,
	'name-not-allowed': 403,
	'label-illegal': 400,
	'label-unknown': 400,
	'authorization-unknown': 404,
	'authorization-ended': 410,
	'authorization-conflict': 409,
	'bundle-digest-mismatch': 500,
	'certificate-invalid': 500,
	'certificate-revoked': 403,
	'certificate-unknown': 404,
	'clock-skew': 500,
	'ca-unavailable': 503,
	'ca-protocol': 500,
	'ca-exists': 500,
	'ca-missing': 500,
	'backup-damaged': 500,
	'rotation-stage': 409,
	'rotation-waits': 409,
	'root-key-missing': 409,
	'node-exists': 409,
	'node-unknown': 404,
	'user-exists': 409,
	'user-unknown': 404,
	'upstream-unavailable': 503,
	'upstream-refused': 502,
	'directory-not-tmpfs': 500,
	'directory-full': 500,
	'directory-unusable': 500,
	'identity-expired': 401,
	'identity-missing': 500,
	'token-missing': 500,
	'application-not-started': 500,
	'engine-request-unseen': 500,
	'engine-request-ambiguous': 500,
	'engine-unavailable': 500,
	'enforcement-missing': 500,
	'identity-isolated': 500,
	'mount-missing': 500,
	'label-missing': 500,
	'mount-illegal': 500,
	'container-too-powerful': 500,
	'image-changed': 500,
	'volume-unknown': 500,
	'mount-failed': 500,
	'node-not-joined': 500,
	'config-invalid': 500,
	'usage': 500,
	'internal': 500,
};

/** What is not an expected failure says nothing about itself. */
export function problemOf(error: unknown): Problem {
	const code = error instanceof BirthmarkError ? error.code : 'internal';
	const status = STATUS[code];
	const detail = error instanceof BirthmarkError && status < 500 ? error.message : ERROR_CODES[code];
	return { type: problemType(code), title: ERROR_CODES[code], status, detail, code };
}
