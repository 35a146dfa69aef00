/**
 * The CA's API as a node uses it (docs/api.md): TLS 1.3 with the node's own certificate, against
 * nothing but the pinned trust bundle. Sessions are never resumed, because a resumed connection
 * skips the checks of the peer's certificate.
 */

import { Agent, request as httpsRequest } from 'node:https';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { BUNDLE_HEADER, CA_SERVER_NAME, CSR_CONTENT_TYPE } from '#common/protocol/messages.ts';
import type { AcknowledgeAnswer, AcknowledgeRequest, Authorization, AuthorizeRequest, MintedToken, MintRequest, RevokeRequest, WhoAmI } from '#common/protocol/messages.ts';
import { errorFromProblem } from '#common/protocol/problem.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import type { NodeDemands } from '#common/protocol/renewal-demands.ts';
import type { Clock } from '#common/runtime/clock.ts';
import { SERVICE_UNAVAILABLE, tryInOrder, type FailOver } from '#common/runtime/fail-over.ts';
import { exchange, type Answer } from './request.ts';

/** For all instances of the CA together: a person waits at `docker run`. */
const DEADLINE_MS = 5_000;
/** A CRL of 10 000 entries has about 400 KiB. */
const MAX_BYTES = 4 * 1024 * 1024;

/** The CA gives each address a bounded number of connections, which the relays of all containers share (`limits.*`). */
const MAX_CONNECTIONS = 32;

/** What the connection is made of; replaced as a whole when the node's certificate is. */
export interface NodeCredentials {
	/** PEM, PKCS#8 */
	readonly key: string;
	/** PEM chain, leaf first */
	readonly certificate: string;
	/** PEM, the pinned trust bundle */
	readonly bundle: string;
}

export interface CaClientDeps {
	/** URLs of the CA's instances; undefined when none is configured */
	readonly instances: FailOver<string> | undefined;
	/** undefined while the node has not joined */
	readonly credentials: () => NodeCredentials | undefined;
	readonly clock: Clock;
}

export interface RevocationList {
	/** PEM */
	readonly text: string;
	readonly etag: string;
}

export type CaClient = ReturnType<typeof createCaClient>;

export function createCaClient(deps: CaClientDeps) {
	let agent: { readonly of: NodeCredentials; readonly agent: Agent } | undefined;
	let reachable: boolean | undefined;
	let clockSkewSeconds: number | undefined;

	/** The keep-alive agent of the credentials in use. */
	function agentFor(credentials: NodeCredentials): Agent {
		if (agent?.of === credentials) return agent.agent;
		// What is under way goes on with the old ones.
		for (const socket of Object.values(agent?.agent.freeSockets ?? {}).flat()) socket?.destroy();
		agent = { of: credentials, agent: newAgent(credentials, true) };
		return agent.agent;
	}

	/**
	 * @param options.body JSON, or a text with its own content type in the headers
	 * @param options.trial credentials that are not in use yet
	 */
	async function call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
		const credentials = options.trial ?? deps.credentials();
		if (!deps.instances || !credentials) {
			throw new BirthmarkError('node-not-joined', 'this node has not joined a CA; set CA_URL and JOIN_TOKEN with docker plugin set');
		}
		const body = options.body === undefined || typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
		const headers = { ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }), ...options.headers };
		const agent = options.trial ? newAgent(credentials, false) : agentFor(credentials);
		let asked = '';
		let answer: Answer;
		try {
			answer = await tryInOrder(options.heldSeconds === undefined ? deps.instances : preferredOf(deps.instances), {
				deadlineMs: DEADLINE_MS + (options.heldSeconds ?? 0) * 1000,
				attempt: (base, deadlineMs) => {
					const url = new URL(path, base);
					asked = url.host;
					return exchange((signal, onAnswer) => httpsRequest(url, { method, headers, agent, signal }, onAnswer), body, { deadlineMs, maxBytes: MAX_BYTES });
				},
				settles: ({ status }) => status !== SERVICE_UNAVAILABLE,
				movesOn: () => true,
			});
		} catch (cause) {
			reachable = false;
			throw new BirthmarkError(
				'ca-unavailable',
				`the CA at ${asked} could not be reached (${reason(cause)}); start it or check CA_URL, then try again`,
				{ cause },
			);
		}
		reachable = true;
		const date = Date.parse(answer.headers.date ?? '');
		if (!Number.isNaN(date)) clockSkewSeconds = Math.round((deps.clock.now().getTime() - date) / 1000);
		if (answer.status >= 500) {
			throw new BirthmarkError(
				'ca-unavailable',
				`the CA at ${asked} answered ${answer.status}; its log tells why`,
				{ cause: errorFromProblem(answer.status, answer.body) },
			);
		}
		if (answer.status >= 400) throw errorFromProblem(answer.status, answer.body);
		return answer;
	}

	return {
		/** @throws BirthmarkError `name-not-allowed` and what else the CA says; `ca-unavailable`, `node-not-joined` */
		async authorize(request: AuthorizeRequest): Promise<Authorization> {
			return parse<Authorization>(await call('POST', '/v1/authorize', { body: request }));
		},
		async mintToken(authorizationId: string, request: MintRequest): Promise<MintedToken> {
			return parse<MintedToken>(await call('POST', `/v1/authorizations/${encodeURIComponent(authorizationId)}/tokens`, { body: request }));
		},
		async endAuthorization(authorizationId: string): Promise<void> {
			await call('DELETE', `/v1/authorizations/${encodeURIComponent(authorizationId)}`);
		},
		async revoke(request: RevokeRequest): Promise<void> {
			await call('POST', '/v1/revoke', { body: request });
		},
		/** @returns undefined when the list with `etag` is still the newest */
		async revocationList(etag?: string): Promise<RevocationList | undefined> {
			const answer = await call('GET', '/v1/crl.pem', etag === undefined ? {} : { headers: { 'if-none-match': etag } });
			return answer.status === 304 ? undefined : { text: answer.body, etag: answer.headers.etag ?? '' };
		},
		/**
		 * Waits at the CA until somebody demands renewals of this node's containers, or the time is over. Asks
		 * the instance that answered last only: who waits somewhere learns nothing about the others.
		 */
		async renewalDemands(after: number, waitSeconds: number): Promise<NodeDemands> {
			const query = `${after > 0 ? `after=${after}&` : ''}wait=${waitSeconds}`;
			return parse<NodeDemands>(await call('GET', `/v1/renewal-demands?${query}`, { heldSeconds: waitSeconds }));
		},
		/** @param csr PEM @returns PEM chain, leaf first */
		async renew(csr: string): Promise<string> {
			const headers = { 'content-type': CSR_CONTENT_TYPE, [BUNDLE_HEADER]: hexDigest(deps.credentials()?.bundle ?? '') };
			return (await call('POST', '/v1/renew', { body: csr, headers })).body;
		},
		/** @returns the CA's trust bundle, PEM, when it is another one than that of the credentials, which have to validate the CA */
		async changedBundle(credentials: NodeCredentials): Promise<string | undefined> {
			const trial = credentials === deps.credentials() ? {} : { trial: credentials };
			const answer = await call('GET', '/v1/roots', { headers: { 'if-none-match': `"${hexDigest(credentials.bundle)}"` }, ...trial });
			return answer.status === 304 || answer.body === credentials.bundle ? undefined : answer.body;
		},
		/** @param digest hexadecimal, of the bundle in use @returns undefined from a CA that does not want to know */
		async acknowledgeBundle(digest: string): Promise<AcknowledgeAnswer | undefined> {
			const body: AcknowledgeRequest = { digest };
			try {
				return parse<AcknowledgeAnswer>(await call('POST', '/v1/bundle/acknowledge', { body }));
			} catch (error) {
				if (errorCode(error) === 'not-found') return undefined;
				throw error;
			}
		},
		/** Asks for nothing but an answer. */
		async whoAmI(): Promise<WhoAmI> {
			return parse<WhoAmI>(await call('GET', '/v1/whoami'));
		},
		/** undefined until the first call */
		isReachable: (): boolean | undefined => reachable,
		/** how far our clock is ahead of the CA's */
		clockSkewSeconds: (): number | undefined => clockSkewSeconds,
		close: (): void => agent?.agent.destroy(),
	};
}

interface CallOptions {
	readonly body?: unknown;
	readonly headers?: Readonly<Record<string, string>>;
	readonly trial?: NodeCredentials;
	/** how long the CA may hold the answer back */
	readonly heldSeconds?: number;
}

function preferredOf(instances: FailOver<string>): FailOver<string> {
	return { order: () => instances.order().slice(0, 1), answered: () => undefined };
}

function newAgent({ key, certificate, bundle }: NodeCredentials, keepAlive: boolean): Agent {
	return new Agent({ keepAlive, maxSockets: MAX_CONNECTIONS, maxCachedSessions: 0, key, cert: certificate, ca: bundle, servername: CA_SERVER_NAME, minVersion: 'TLSv1.3' });
}

function hexDigest(bundle: string): string {
	return bundleDigest(bundle).toString('hex');
}

function parse<T>(answer: Answer): T {
	try {
		return JSON.parse(answer.body) as T;
	} catch (cause) {
		throw new BirthmarkError('ca-protocol', 'the CA answered something other than JSON', { cause });
	}
}

function reason(error: unknown): string {
	if (!(error instanceof Error)) return 'unknown';
	return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
