/** Answers that need not be sent again (RFC 9110 §13.1.2). */

import type { ApiAnswer, ApiRequest } from './route.ts';

/**
 * 304 when the caller has the version of that tag, the answer otherwise; either way it has to ask again
 * before it uses what it has.
 *
 * @param tag without quotation marks
 */
export function unlessKnown(request: Pick<ApiRequest, 'header'>, tag: string, answer: () => ApiAnswer): ApiAnswer {
	const quoted = `"${tag}"`;
	const headers = { ETag: quoted, 'Cache-Control': 'no-cache' };
	const known = (request.header('if-none-match') ?? '').split(',').map((item) => item.trim().replace(/^W\//, ''));
	return known.includes(quoted) || known.includes('*') ? { status: 304, headers } : { ...answer(), headers };
}
