/** What a route says of itself, for the OpenAPI document (`openapi.ts`): enough for somebody to write a client. */

import { z } from 'zod';
import type { ErrorCode } from '#common/protocol/errors.ts';
import { CSR_CONTENT_TYPE, MAX_CSR_BYTES } from '#common/protocol/messages.ts';

export interface Description {
	/** what it does, half a sentence */
	readonly summary: string;
	/** which kind of token it takes in `Authorization: Bearer …` */
	readonly bearer?: 'container' | 'join' | 'user';
	/** parameters of the query by name, each with what it does; all optional */
	readonly query?: Readonly<Record<string, string>>;
	readonly body?: BodyDescription;
	/** by status; the problem documents come from {@link errors} */
	readonly answers: Readonly<Record<number, AnswerDescription>>;
	/** what is special to this route, beside what follows from its kind (`openapi.ts`) */
	readonly errors?: readonly ErrorCode[];
	/** what refusals look like where they are no problem documents, see `Route.refuse` */
	readonly refusal?: z.ZodType;
}

/** JSON by its schema, anything else by its content types. */
export type BodyDescription =
	| { readonly schema: z.ZodType; /** the same as a form, for those who know only that */ readonly form?: z.ZodType }
	| { readonly contentTypes: readonly string[]; readonly maxBytes: number };

export interface AnswerDescription {
	readonly summary: string;
	/** of a JSON answer */
	readonly schema?: z.ZodType;
	/** of any other; without both there is no body */
	readonly contentType?: string;
}

/** A CSR; PEM or DER is told by looking at it, not by the content type. */
export const CSR_BODY: BodyDescription = { contentTypes: [CSR_CONTENT_TYPE, 'application/x-pem-file'], maxBytes: MAX_CSR_BYTES };

/** What can be wrong with a CSR. */
export const CSR_ERRORS = ['csr-malformed', 'csr-signature-invalid', 'csr-key-weak', 'csr-key-unsupported'] as const satisfies readonly ErrorCode[];
/** What can be wrong with a token that is redeemed. */
export const TOKEN_ERRORS = ['token-malformed', 'token-unknown', 'token-used', 'token-expired', 'certificate-revoked'] as const satisfies readonly ErrorCode[];
/** What can be wrong when a token is brought for a certificate, whichever kind of token it is and whoever signs. */
export const SIGN_ERRORS = [
	...TOKEN_ERRORS, ...CSR_ERRORS, 'csr-key-reused', 'csr-key-compromised', 'token-wrong-name', 'token-invalid', 'authorization-ended', 'name-illegal', 'name-not-allowed',
	'upstream-unavailable', 'upstream-refused',
] as const satisfies readonly ErrorCode[];
