/** Problem details for HTTP APIs, RFC 9457, as the CA sends them and its clients read them. */

import { BirthmarkError, isErrorCode, type ErrorCode } from './errors.ts';
import { printable } from './names.ts';

/** The longest sentence of the CA lists every fault of a request. */
const MAX_DETAIL_LENGTH = 4096;
export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** RFC 9457 §3.1, with the stable `code` as an extension member (§3.2). */
export interface Problem {
	/** `urn:birthmark:problem:<code>` */
	readonly type: string;
	readonly title: string;
	readonly status: number;
	readonly detail: string;
	readonly code: ErrorCode;
}

export function problemType(code: ErrorCode): string {
	return `urn:birthmark:problem:${code}`;
}

/**
 * The error that an HTTP answer of the CA stands for. An answer that is no problem document
 * becomes `ca-protocol`: something other than our CA answered. The sentence ends up in logs and on
 * terminals, and may come from whoever answered: it is bounded and holds no control characters but
 * the line feed.
 *
 * @param body the answer's body as text, at most a few KiB
 */
export function errorFromProblem(status: number, body: string): BirthmarkError {
	let value: unknown;
	try {
		value = JSON.parse(body);
	} catch (cause) {
		return new BirthmarkError('ca-protocol', `the CA answered ${status} without a problem document`, { cause });
	}
	if (typeof value === 'object' && value !== null && 'code' in value && isErrorCode(value.code)) {
		const detail = 'detail' in value && typeof value.detail === 'string' && value.detail !== '' ? value.detail.slice(0, MAX_DETAIL_LENGTH).split('\n').map(printable).join('\n') : undefined;
		return new BirthmarkError(value.code, detail);
	}
	return new BirthmarkError('ca-protocol', `the CA answered ${status} with a code that this version does not know`);
}
