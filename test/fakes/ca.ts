/**
 * A CA to test clients against: real certificates and real TLS, a state that lives in memory, and
 * faults that the real one must never have.
 */

import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { BUNDLE_HEADER, CA_SERVER_NAME, PEM_CHAIN_CONTENT_TYPE, type AcknowledgeAnswer, type AcknowledgeRequest } from '#common/protocol/messages.ts';
import { PROBLEM_CONTENT_TYPE, problemType } from '#common/protocol/problem.ts';
import type { ErrorCode } from '#common/protocol/errors.ts';
import { bundleDigest, createToken, formatToken } from '#common/protocol/token.ts';
import { issuerOf, signCertificate, signCross, signIntermediate, signSelf, type Issuer } from '#common/x509/certificate.ts';
import { signRevocationList } from '#common/x509/crl.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';
import type { Purpose } from '#common/x509/extensions.ts';
import { leafExtensions } from '#common/x509/profile.ts';
import { createSerial } from '#common/x509/serial.ts';

export type FakeRoute = 'roots' | 'sign' | 'renew' | 'bundle/acknowledge';

/** What is done to one request instead of (or after) answering it properly. */
export type Fault =
	| { readonly kind: 'problem'; readonly status: number; readonly code: ErrorCode; readonly detail?: string }
	/** the work is done, the answer lost */
	| { readonly kind: 'lost-answer' }
	/** nothing is ever answered */
	| { readonly kind: 'silence' }
	/** another body with status 200 (or the one given) */
	| { readonly kind: 'body'; readonly body: string; readonly status?: number }
	/** a certificate that is made differently */
	| { readonly kind: 'certificate'; readonly change: Partial<LeafInput> };

export interface LeafInput {
	readonly commonName: string;
	readonly dnsNames: readonly string[];
	readonly spiffeId: string;
	readonly notBefore: Date;
	readonly notAfter: Date;
	readonly purposes: readonly Purpose[];
	/** of the key to certify, when it is not the requester's */
	readonly publicKey: Buffer;
	readonly issuer: FakePki;
}

/** A root, an intermediate, and what is needed to issue below it. */
export interface FakePki {
	/** PEM of the root */
	readonly bundle: Buffer;
	readonly intermediatePem: string;
	readonly issuer: Issuer;
	/** signs the root's own revocation list */
	readonly rootIssuer: Issuer;
}

export interface SeenRequest {
	readonly route: FakeRoute;
	readonly publicKeyHash?: string;
	/** serial of the client certificate, lower case */
	readonly peerSerial?: string;
	/** whether a token came in the Authorization header */
	readonly hasBearer: boolean;
	readonly url: string;
}

const DAY_MS = 86_400_000;
const BACKDATE_MS = 60_000;

export async function createPki(name = 'Test'): Promise<FakePki> {
	const [rootKey, intermediateKey] = [generateSigningKey(), generateSigningKey()];
	const dates = { notBefore: wholeSeconds(Date.now() - DAY_MS), notAfter: wholeSeconds(Date.now() + 30 * DAY_MS) };
	const subject = (commonName: string) => ({ commonName, organization: name });
	const root = signSelf({ serial: createSerial(randomBytes), subject: subject('Root'), publicKey: rootKey.publicKey, ...dates }, rootKey);
	const rootIssuer = issuerOf(root, rootKey);
	const intermediate = signIntermediate({ serial: createSerial(randomBytes), subject: subject('Intermediate'), publicKey: intermediateKey.publicKey, ...dates }, {}, rootIssuer);
	return {
		bundle: Buffer.from(encodePem('CERTIFICATE', root)),
		intermediatePem: encodePem('CERTIFICATE', intermediate),
		issuer: issuerOf(intermediate, intermediateKey),
		rootIssuer,
	};
}

/** Faults of the CA are made here, too. */
const unlinted = () => undefined;

/** The next generation of a CA: its chains lead to its own root and, by a cross-certificate, to that of the one before. */
export async function successorOf(old: FakePki): Promise<FakePki> {
	const pki = await createPki();
	// The old root's end: a second may have passed since that was made, and nothing ends later than its issuer.
	const dates = { notBefore: wholeSeconds(Date.now() - DAY_MS), notAfter: old.rootIssuer.notAfter };
	const [root] = decodePem('CERTIFICATE', pki.bundle.toString())!;
	const cross = signCross(root!, { serial: createSerial(randomBytes), ...dates }, old.rootIssuer);
	return { ...pki, intermediatePem: pki.intermediatePem + encodePem('CERTIFICATE', cross) };
}

/** @returns PEM, leaf first */
export async function issueLeaf({ issuer: pki, commonName, publicKey, notBefore, notAfter, dnsNames, spiffeId, purposes }: LeafInput): Promise<string> {
	const leaf = await signCertificate(
		{
			serial: createSerial(randomBytes),
			subject: { commonName, organizationalUnit: 'web-api', organization: 'production' },
			publicKey,
			notBefore: wholeSeconds(notBefore.getTime()),
			notAfter: wholeSeconds(notAfter.getTime()),
			extensions: leafExtensions(publicKey, pki.issuer.keyId, { dnsNames, spiffeId }, purposes),
		},
		pki.issuer,
		unlinted,
	);
	return encodePem('CERTIFICATE', leaf) + pki.intermediatePem;
}

export class FakeCa {
	/** what it issues under */
	pki: FakePki;
	/** the next requests to a route meet these, one each */
	readonly faults: Record<FakeRoute, Fault[]> = { roots: [], sign: [], renew: [], 'bundle/acknowledge': [] };
	readonly seen: SeenRequest[] = [];
	/** the trust bundle that it serves; those before it are given by digest */
	readonly bundles: Buffer[];
	/** digests, hexadecimal, by acknowledgement or renewal */
	readonly acknowledged: string[] = [];
	/** what it tells those who acknowledge */
	wantsRenewal = false;
	/** of the certificates that it issues */
	lifetimeSeconds = 3600;
	/** what its Date header is off by */
	clockOffsetSeconds = 0;
	/** what comes while this is set is answered when it resolves */
	hold: Promise<void> | undefined;
	/** told of every request before it is answered */
	onRequest: (route: FakeRoute) => void = () => {};
	readonly #server: ReturnType<typeof createServer>;
	readonly #redeemed = new Map<string, { publicKeyHash: string; chain: string }>();
	readonly #tokens = new Set<string>();

	private constructor(pki: FakePki, server: ReturnType<typeof createServer>) {
		this.pki = pki;
		this.bundles = [pki.bundle];
		this.#server = server;
	}

	/** @param impostor signs the server's own certificate instead, while everything else stays the same */
	static async start(t: { teardown(close: () => void): void }, pki: FakePki, impostor?: FakePki): Promise<FakeCa> {
		const key = generateSigningKey();
		const chain = await issueLeaf({ ...leafDefaults(CA_SERVER_NAME, impostor ?? pki, 3600), publicKey: key.publicKey });
		const server = createServer({ key: exportSigningKey(key), cert: chain, ca: pki.bundle, requestCert: true, rejectUnauthorized: false });
		const ca = new FakeCa(pki, server);
		server.on('request', (request, response) => void ca.#handle(request, response));
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.teardown(() => {
			server.closeAllConnections();
			server.close();
		});
		return ca;
	}

	get address(): { host: string; port: number } {
		return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
	}

	get url(): string {
		return `https://127.0.0.1:${this.address.port}`;
	}

	/** A token as the plugin would mint it. */
	mintToken(bundle: Buffer = this.pki.bundle): string {
		const token = formatToken(createToken('container', bundleDigest(bundle)));
		this.#tokens.add(token);
		return token;
	}

	count(route: FakeRoute): number {
		return this.seen.filter((request) => request.route === route).length;
	}

	async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const { pathname, searchParams } = new URL(request.url ?? '', 'https://fake');
		const route = pathname.slice('/v1/'.length) as FakeRoute;
		const chunks: Buffer[] = [];
		for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
		const body = Buffer.concat(chunks);
		const peer = (request.socket as TLSSocket).getPeerX509Certificate();
		const csr = route === 'sign' || route === 'renew' ? verifyCsr(body) : undefined;
		this.seen.push({
			route,
			url: request.url ?? '',
			hasBearer: request.headers.authorization?.startsWith('Bearer BMKTKN-1-') === true,
			...(csr ? { publicKeyHash: csr.publicKeyHash.toString('hex') } : {}),
			...(peer ? { peerSerial: peer.serialNumber.toLowerCase() } : {}),
		});
		this.onRequest(route);
		await this.hold;
		response.setHeader('Date', new Date(Date.now() + this.clockOffsetSeconds * 1000).toUTCString());
		const fault = this.faults[route].shift();
		if (fault?.kind === 'silence') return;
		if (fault?.kind === 'problem') return sendProblem(response, fault.status, fault.code, fault.detail);
		if (fault?.kind === 'body') return void response.writeHead(fault.status ?? 200).end(fault.body);
		const change = fault?.kind === 'certificate' ? fault.change : {};
		if (fault?.kind === 'lost-answer' && !csr) return void request.socket.destroy();
		if (route === 'roots') return this.#roots(response, searchParams.get('digest'), request.headers['if-none-match']);
		if (route === 'bundle/acknowledge') return this.#acknowledge(request, response, body);
		const answer = await (route === 'sign' ? this.#sign(request, csr!, change) : this.#renew(request, csr!, change));
		if (fault?.kind === 'lost-answer') return void request.socket.destroy();
		if (typeof answer === 'object' && 'code' in answer) return sendProblem(response, answer.status, answer.code);
		response.writeHead(200, { 'Content-Type': PEM_CHAIN_CONTENT_TYPE }).end(answer);
	}

	/** Its own certificate comes from this one now, new certificates too. */
	async use(pki: FakePki): Promise<void> {
		this.pki = pki;
		const key = generateSigningKey();
		const cert = await issueLeaf({ ...leafDefaults(CA_SERVER_NAME, pki, 3600), publicKey: key.publicKey });
		this.#server.setSecureContext({ key: exportSigningKey(key), cert, ca: Buffer.concat(this.bundles) });
	}

	/** Serves this bundle from now on. */
	publish(bundle: Buffer): void {
		this.bundles.unshift(bundle);
	}

	#roots(response: ServerResponse, digest: string | null, known: string | undefined): void {
		const current = bundleDigest(this.bundles[0]!).toString('hex');
		const bundle = this.bundles.find((candidate) => bundleDigest(candidate).toString('hex') === (digest ?? current));
		if (!bundle) return sendProblem(response, 404, 'not-found');
		const tag = `"${bundleDigest(bundle).toString('hex')}"`;
		if (known === tag) return void response.writeHead(304, { ETag: tag }).end();
		response.writeHead(200, { 'Content-Type': PEM_CHAIN_CONTENT_TYPE, 'ETag': tag }).end(bundle);
	}

	#acknowledge(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
		if (!(request.socket as TLSSocket).authorized) return sendProblem(response, 401, 'unauthenticated');
		this.acknowledged.push((JSON.parse(body.toString()) as AcknowledgeRequest).digest);
		const answer: AcknowledgeAnswer = { digest: bundleDigest(this.bundles[0]!).toString('hex'), renew: this.wantsRenewal };
		response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
	}

	async #sign(request: IncomingMessage, csr: ReturnType<typeof verifyCsr>, change: Partial<LeafInput>): Promise<string | { status: number; code: ErrorCode }> {
		const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
		if (!this.#tokens.has(token)) return { status: 404, code: 'token-unknown' };
		const publicKeyHash = csr.publicKeyHash.toString('hex');
		const before = this.#redeemed.get(token);
		if (before) return before.publicKeyHash === publicKeyHash ? before.chain : { status: 409, code: 'token-used' };
		const chain = await issueLeaf({ ...leafDefaults('api01', this.pki, this.lifetimeSeconds), publicKey: csr.publicKey, ...change });
		this.#redeemed.set(token, { publicKeyHash, chain });
		return chain;
	}

	async #renew(request: IncomingMessage, csr: ReturnType<typeof verifyCsr>, change: Partial<LeafInput>): Promise<string | { status: number; code: ErrorCode }> {
		if (!(request.socket as TLSSocket).authorized) return { status: 401, code: 'unauthenticated' };
		this.acknowledged.push(String(request.headers[BUNDLE_HEADER.toLowerCase()]));
		return issueLeaf({ ...leafDefaults('api01', this.pki, this.lifetimeSeconds), publicKey: csr.publicKey, ...change });
	}
}

/** Everything of a proper leaf but its key. */
export function leafDefaults(commonName: string, issuer: FakePki, lifetimeSeconds: number): Omit<LeafInput, 'publicKey'> {
	return {
		commonName,
		issuer,
		dnsNames: [commonName],
		spiffeId: `spiffe://birthmark.internal/production/web-api/${commonName}`,
		notBefore: new Date(Date.now() - BACKDATE_MS),
		notAfter: new Date(Date.now() + lifetimeSeconds * 1000),
		purposes: ['serverAuth', 'clientAuth'],
	};
}

/** Serial of the first certificate of a chain, lower case. */
export function serialOf(chain: string): string {
	return new X509Certificate(chain).serialNumber.toLowerCase();
}

function sendProblem(response: ServerResponse, status: number, code: ErrorCode, detail = `the fake CA says ${code}`): void {
	response.writeHead(status, { 'Content-Type': PROBLEM_CONTENT_TYPE }).end(JSON.stringify({ type: problemType(code), title: code, status, detail, code }));
}

/** Certificates know no fractions of a second. */
function wholeSeconds(milliseconds: number): Date {
	return new Date(Math.floor(milliseconds / 1000) * 1000);
}

/** The CRLs of root and intermediate, PEM, as the plugin puts them on the volume; good for a day. */
export function revocationLists(pki: FakePki, revokedSerials: readonly string[] = [], madeAt = Date.now()): string {
	const now = wholeSeconds(madeAt);
	const dates = { thisUpdate: now, nextUpdate: new Date(now.getTime() + DAY_MS) };
	const entries = revokedSerials.map((serial) => ({ serial, revokedAt: now, reason: 'cessationOfOperation' as const }));
	const lists = [
		signRevocationList({ number: 1, ...dates, entries: [] }, pki.rootIssuer),
		signRevocationList({ number: revokedSerials.length + 1, ...dates, entries }, pki.issuer),
	];
	return lists.map((list) => encodePem('X509 CRL', list)).join('');
}
