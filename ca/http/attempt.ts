/**
 * One request as the blackhole sees it: on what it rests, and whose failure it is when it fails. Always
 * the most exact source that is proved answers for it, so that nobody answers for somebody else.
 */

import type { IncomingMessage } from 'node:http';
import { errorCode, type ErrorCode } from '#common/protocol/errors.ts';
import { ShutOutError, type Blackhole } from '../defence/blackhole.ts';
import { addressSource, identitySource, tokenSource, type Source } from '../defence/source.ts';
import type { Caller } from '../registration/caller.ts';
import { CSR_ERRORS } from './description.ts';

/** With these nothing is proved but the address, unless the caller was known before; a valid token or certificate never fails with one of them. */
const UNPROVED: ReadonlySet<ErrorCode> = new Set(['unauthenticated', 'identity-expired', 'token-malformed', 'token-unknown', 'token-invalid']);
/** No route looks at a CSR before it has found the token or the certificate good that comes with it. */
const BAD_CSR: ReadonlySet<ErrorCode> = new Set(CSR_ERRORS);

export interface Attempt {
	/**
	 * The caller has proved who it is.
	 *
	 * @throws ShutOutError when it is shut out, and this is a route for its own CSRs
	 */
	identify(caller: Caller): void;
	/**
	 * The request rests on this token.
	 *
	 * @throws ShutOutError when the token is shut out
	 */
	present(token: string): void;
	/** Counts the failure of the request. @returns what to answer: the failure, or that its source is shut out */
	blame(failure: unknown): unknown;
}

export interface AttemptDeps {
	readonly blackhole: Pick<Blackhole, 'admit' | 'fail'>;
	/** called once for each time that a source is shut out */
	readonly onShutOut: (source: Source, seconds: number, failure: ErrorCode) => void;
}

/** @param isGuarded whether callers are answerable for the CSRs they bring here */
export function beginAttempt({ blackhole, onShutOut }: AttemptDeps, request: Pick<IncomingMessage, 'socket'>, isGuarded: boolean): Attempt {
	// A unix socket has no address: the admin socket's callers answer to nobody here.
	const { remoteAddress } = request.socket;
	let proved: Source | undefined;
	let isCallerKnown = false;
	const culprit = (code: ErrorCode): Source | undefined => {
		if (BAD_CSR.has(code) && proved) return proved;
		// A node passes on what others have chosen, a token among it.
		if (isCallerKnown) return undefined;
		return UNPROVED.has(code) && remoteAddress !== undefined ? addressSource(remoteAddress) : undefined;
	};
	return {
		identify(caller) {
			isCallerKnown = true;
			const source = isGuarded ? identitySource(caller) : undefined;
			if (!source) return;
			proved = source;
			blackhole.admit(source);
		},
		present(token) {
			const source = tokenSource(token);
			proved = source;
			blackhole.admit(source);
		},
		blame(failure) {
			const code = errorCode(failure);
			const source = culprit(code);
			if (!source) return failure;
			try {
				blackhole.admit(source);
			} catch (shutOut) {
				return shutOut;
			}
			const seconds = blackhole.fail(source);
			if (seconds > 0) onShutOut(source, seconds, code);
			return failure;
		},
	};
}

/** RFC 9110 §10.2.3, RFC 6585 §4. */
export function retryAfter(failure: unknown): string | undefined {
	return failure instanceof ShutOutError ? String(failure.retryAfterSeconds) : undefined;
}
