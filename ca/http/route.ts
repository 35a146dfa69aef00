/** What a route is, free of any framework: a method, a path, who may call it, and a function from request to answer. */

import type { z } from 'zod';
import type { BirthmarkError } from '#common/protocol/errors.ts';
import type { Problem } from '#common/protocol/problem.ts';
import type { Caller, CallerRole } from '../registration/caller.ts';
import type { Description } from './description.ts';
import type { Actor } from '../store/records.ts';

/** `anonymous` admits everybody, without a look at their certificate. */
export type Admission = CallerRole | 'anonymous';

export interface Route {
	readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
	/** pattern, with `:name` for a segment and `*name` at its end for all the rest */
	readonly path: string;
	/** at least one; a route without is not served */
	readonly roles: readonly [Admission, ...Admission[]];
	readonly description: Description;
	/** takes CSRs that the caller makes itself: who sends too many bad ones is not heard here for a while */
	readonly isGuarded?: true;
	/** also served without TLS, see `public-server.ts`; for answers that are signed in themselves */
	readonly isPublic?: true;
	/** says refusals in the words of another protocol, instead of a problem document */
	readonly refuse?: (problem: Problem) => ApiAnswer;
	handle(request: ApiRequest): Promise<ApiAnswer>;
}

export interface ApiRequest {
	/** @throws BirthmarkError `unauthenticated` on a route for anonymous callers */
	readonly caller: Caller;
	/** the caller, or whoever is anonymous, as the audit log will know it */
	readonly actor: Actor;
	/**
	 * Says on which token the request rests: whoever holds it answers for what comes with it. To be called before the token is looked at.
	 *
	 * @throws BirthmarkError `source-shut-out`
	 */
	present(token: string): void;
	/** Records in the audit log that a part of the request is refused; for the whole of it, throw. */
	refuse(error: BirthmarkError): Promise<void>;
	/** of the path. @throws BirthmarkError `request-malformed` for one that no database could hold */
	parameter(name: string): string;
	query(name: string): string | undefined;
	header(name: string): string | undefined;
	/** @param limit in bytes, 16 KiB when absent. @throws BirthmarkError `request-malformed`, `request-too-large` */
	json<Schema extends z.ZodType>(schema: Schema, limit?: number): Promise<z.output<Schema>>;
	/** @throws BirthmarkError `request-malformed`, `request-too-large` */
	form<Schema extends z.ZodType>(schema: Schema): Promise<z.output<Schema>>;
	/** @throws BirthmarkError `request-too-large` */
	bytes(limit: number): Promise<Buffer>;
}

export interface ApiAnswer {
	readonly status: number;
	/** sent as JSON */
	readonly json?: unknown;
	/** sent as it is, with {@link contentType} */
	readonly body?: Buffer | string;
	readonly contentType?: string;
	readonly headers?: Readonly<Record<string, string>>;
	/** holds a credential or is about one: never cached */
	readonly isPrivate?: boolean;
}
