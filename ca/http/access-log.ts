/** One line of the log for each request, and no path in it: a path can hold a token. */

import { errorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Caller } from '../registration/caller.ts';

/** A request that was answered. */
export interface Answered {
	readonly method: string;
	/** the pattern; `(none)` when there is no such route */
	readonly route: string;
	readonly status: number;
	readonly durationMs: number;
	/** whether the route answers with a certificate */
	readonly isSigning: boolean;
	readonly caller?: Caller;
	readonly failure?: unknown;
}

/** Reading is routine and said only to whoever wants to know; so are requests of those who are not heard. */
export function logAccess(logger: Logger, { method, route, status, durationMs, caller, failure }: Answered): void {
	const fields = {
		method,
		route,
		status,
		durationMs: Math.round(durationMs * 10) / 10,
		...(caller && { role: caller.role, ...(caller.role === 'node' ? { node: caller.name } : { commonName: caller.name }) }),
		...(failure !== undefined && { code: errorCode(failure) }),
	};
	if (status >= 500) logger.error('request failed', { ...fields, error: failure });
	else if (method === 'GET' || status === 429) logger.debug('request', fields);
	else logger.info('request', fields);
}
