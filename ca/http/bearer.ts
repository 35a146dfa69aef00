/** Tokens in the Authorization header (RFC 6750 §2.1). */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { ApiRequest } from './route.ts';

/**
 * @returns the token, on which the request rests from now on
 * @throws BirthmarkError `unauthenticated` when there is none, `source-shut-out`
 */
export function bearerToken(request: Pick<ApiRequest, 'header' | 'present'>): string {
	const match = /^Bearer +([^ ]+)$/i.exec(request.header('authorization') ?? '');
	if (!match) throw new BirthmarkError('unauthenticated', 'this address wants a token: "Authorization: Bearer <token>"');
	const token = match[1]!;
	request.present(token);
	return token;
}
