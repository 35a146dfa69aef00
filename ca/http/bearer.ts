/** Tokens in the Authorization header (RFC 6750 §2.1). */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { ApiRequest } from './route.ts';

/** @throws BirthmarkError `unauthenticated` when there is none */
export function bearerToken(request: Pick<ApiRequest, 'header'>): string {
	const match = /^Bearer +([^ ]+)$/i.exec(request.header('authorization') ?? '');
	if (!match) throw new BirthmarkError('unauthenticated', 'this address wants a token: "Authorization: Bearer <token>"');
	return match[1]!;
}
