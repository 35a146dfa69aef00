/** A real CA in this process, on a port of its own, for tests: nothing in it is faked but, on request, the clock. */

import { createHash, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tmp from 'tmp';
import type { Authorization, JoinAnswer, JoinTokenRequest, MintedToken, Names } from '#common/protocol/messages.ts';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { systemClock, type Clock } from '#common/runtime/clock.ts';
import { silentLogger, type Logger } from '#common/runtime/log.ts';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { readCaConfig } from '../../ca/config.ts';
import { createDatabase } from './postgres.ts';
import { initCa } from '../../ca/init.ts';
import type { Reloadable } from '../../ca/reload.ts';
import { loadConfig, serveCa } from '../../ca/serve.ts';

/** As much of ava's execution context as is needed. */
interface Test {
	teardown(clean: () => unknown): void;
}

export interface Answer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: Buffer;
	readonly text: string;
	/** the body as JSON */
	json<T = Record<string, unknown>>(): T;
}

/** Key and chain, PEM, as a TLS client presents them. */
export interface Credentials {
	readonly key: string;
	readonly cert: string;
}

export interface RequestOptions {
	readonly headers?: Record<string, string>;
	/** an object is sent as JSON */
	readonly body?: object | string | Buffer;
	readonly credentials?: Credentials;
	/** instead of TLS: as whoever may use that socket */
	readonly overAdminSocket?: boolean;
}

export interface AuthorizeOptions {
	readonly containerId?: string;
	readonly lifetimeSeconds?: number;
}

export interface StartOptions {
	/** contents of config.json */
	readonly config?: object;
	readonly clock?: Clock;
	readonly logger?: Logger;
	/** environment variables */
	readonly env?: Readonly<Record<string, string>>;
	/** an existing state folder, to start again */
	readonly state?: string;
}

export interface TestCa {
	readonly url: string;
	readonly port: number;
	/** of the public listener; where there is none, empty */
	readonly publicUrl: string;
	/** of the listener for metrics, when there is one */
	readonly metricsPort: number | undefined;
	/** the trust bundle, PEM */
	readonly bundle: Buffer;
	readonly adminSocket: string;
	readonly state: string;
	/** over TLS, validated against the bundle */
	request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
	/** over the admin socket */
	admin(method: string, path: string, body?: object): Promise<Answer>;
	joinToken(request: JoinTokenRequest): Promise<string>;
	/** a node with these allow rules, or an operator */
	join(name: string, allow?: readonly string[], role?: 'node' | 'operator'): Promise<Credentials>;
	authorize(node: Credentials, names: Partial<Names> & Pick<Names, 'commonName'>, more?: AuthorizeOptions): Promise<Authorization & { readonly id: string }>;
	mint(node: Credentials, authorizationId: string, startId?: string): Promise<string>;
	/** redeems the token with the key's CSR */
	sign(token: string, key: KeyPair): Promise<Answer>;
	/** authorize, mint and sign in one */
	enrol(node: Credentials, commonName: string, organizationalUnit: string): Promise<Enrolled>;
	lookAfter(): Promise<void>;
	/** @param config contents of config.json beside the listener's */
	reload(config: object): Promise<Reloadable>;
	close(): Promise<void>;
}

export interface Enrolled extends Credentials {
	readonly authorizationId: string;
	readonly startId: string;
	readonly token: string;
	readonly keyPair: KeyPair;
}

export interface KeyPair {
	readonly privateKey: KeyObject;
	/** PKCS#8 PEM */
	readonly pem: string;
	/** PEM */
	csr(commonName?: string): string;
}

export function newKey(): KeyPair {
	const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	return {
		privateKey,
		pem: privateKey.export({ format: 'pem', type: 'pkcs8' }),
		csr: (commonName) => encodeCsr({ privateKey, publicKey, ...(commonName !== undefined && { commonName }) }),
	};
}

/** 64 hexadecimal digits, like an engine's. */
export function newContainerId(): string {
	return randomBytes(32).toString('hex');
}

/** A clock that stands still until it is moved. */
export function movableClock(start: Date = new Date()): Clock & { advance(seconds: number): void } {
	let now = start.getTime();
	return { now: () => new Date(now), advance: (seconds) => void (now += seconds * 1000) };
}

/** A folder that goes with the test. */
export function temporaryFolder(t: Test): string {
	const folder = tmp.dirSync({ prefix: 'birthmark-test-', unsafeCleanup: true });
	t.teardown(() => folder.removeCallback());
	return folder.name;
}

/** A database of its own on the server that `$BIRTHMARK_TEST_SERVER` names, so that the same tests run on PostgreSQL; SQLite otherwise. */
export async function databaseForTests(): Promise<object> {
	const server = process.env['BIRTHMARK_TEST_SERVER'];
	return server === undefined ? {} : { database: { url: await createDatabase(server), poolSize: 4 } };
}

/** A machine that is busy with other tests may let a handshake stand still for longer than the CA waits by itself. */
const DEFAULTS = { listen: { host: '127.0.0.1', port: 0 }, limits: { headerSeconds: 60, requestSeconds: 600 } };

/** Makes a CA in a temporary folder and starts it. */
export async function startCa(t: Test, { config = {}, clock = systemClock, logger = silentLogger, env = {}, state = join(temporaryFolder(t), 'state') }: StartOptions = {}): Promise<TestCa> {
	if (!existsSync(join(state, 'config.json'))) {
		mkdirSync(state, { recursive: true });
		const database = await databaseForTests();
		writeFileSync(join(state, 'config.json'), JSON.stringify({ ...DEFAULTS, ...database, ...config }));
		await initCa({ state, env: {} });
	}
	const ca = await serveCa({ state, config: await loadConfig(state, ownAddress(state)), env, logger, clock });
	let isOpen = true;
	const close = async () => {
		if (!isOpen) return;
		isOpen = false;
		await ca.close();
	};
	t.teardown(close);
	const reload = (next: object) => ca.reload(readCaConfig(JSON.stringify({ ...DEFAULTS, ...next }), {}));
	const { port } = ca.address;
	const target = { port, bundle: ca.bundle, adminSocket: ca.adminSocket };
	const publicUrl = ca.publicAddress ? `http://127.0.0.1:${ca.publicAddress.port}` : '';
	return { url: `https://127.0.0.1:${port}`, publicUrl, metricsPort: ca.metricsAddress?.port, state, ...target, ...clientOf(target), lookAfter: () => ca.lookAfter(), reload, close };
}

/** Where a configuration says nothing of an address: one that no other test has. */
function ownAddress(state: string): Record<string, string> {
	const { listen } = JSON.parse(readFileSync(join(state, 'config.json'), 'utf8')) as { listen?: unknown };
	return listen === undefined ? { BIRTHMARK_CA_LISTEN_HOST: '127.0.0.1', BIRTHMARK_CA_LISTEN_PORT: '0' } : {};
}

/** Starts another instance of the same CA, on the same PostgreSQL server, with a state folder of its own. */
export async function startBeside(t: Test, ca: Pick<TestCa, 'state'>, options: Omit<StartOptions, 'state' | 'config'> = {}): Promise<TestCa> {
	const state = join(temporaryFolder(t), 'state');
	cpSync(ca.state, state, { recursive: true, filter: (path) => !/\/(admin\.sock|serve\.lock.*)$/.test(path) });
	return startCa(t, { ...options, state });
}

/** The calls of a test on a CA that runs anywhere. */
export function clientOf({ port, bundle, adminSocket }: Pick<TestCa, 'port' | 'bundle' | 'adminSocket'>) {
	const request: TestCa['request'] = (method, path, options = {}) => call(options.overAdminSocket ? { socketPath: adminSocket, agent: false, method, path } : {
		host: '127.0.0.1', port, ca: bundle, servername: CA_SERVER_NAME, agent: false, method, path, ...options.credentials,
	}, options);
	const admin: TestCa['admin'] = (method, path, body) => request(method, path, { overAdminSocket: true, ...(body && { body }) });
	const json = async <T>(answer: Promise<Answer>, status: number): Promise<T> => {
		const { status: actual, text, json } = await answer;
		if (actual !== status) throw new Error(`the CA answered ${actual} instead of ${status}: ${text}`);
		return json<T>();
	};
	const joinToken: TestCa['joinToken'] = async (body) => (await json<MintedToken>(admin('POST', '/v1/join-tokens', body), 201)).token;
	const authorize: TestCa['authorize'] = (node, names, more = {}) => json(request('POST', '/v1/authorize', {
		credentials: node,
		body: { organizationalUnit: 'web', dnsNames: [], image: 'test:1', containerId: newContainerId(), ...names, ...more },
	}), 201);
	const mint: TestCa['mint'] = async (node, authorizationId, startId = randomBytes(8).toString('hex')) => {
		const answer = request('POST', `/v1/authorizations/${authorizationId}/tokens`, { credentials: node, body: { startId } });
		return (await json<MintedToken>(answer, 201)).token;
	};
	const sign: TestCa['sign'] = (token, key) => request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body: key.csr() });
	return {
		request,
		admin,
		joinToken,
		authorize,
		mint,
		sign,
		async join(name: string, allow: readonly string[] = ['*/*'], role: 'node' | 'operator' = 'node'): Promise<Credentials> {
			const key = newKey();
			const token = await joinToken({ role, name, ...(role === 'node' && { allow }) });
			const answer = await json<JoinAnswer>(request('POST', '/v1/join', { headers: { authorization: `Bearer ${token}` }, body: { csr: key.csr() } }), 201);
			return { key: key.pem, cert: answer.certificate };
		},
		async enrol(node: Credentials, commonName: string, organizationalUnit: string): Promise<Enrolled> {
			const { id: authorizationId } = await authorize(node, { commonName, organizationalUnit });
			const startId = randomBytes(8).toString('hex');
			const token = await mint(node, authorizationId, startId);
			const keyPair = newKey();
			const { status, text } = await sign(token, keyPair);
			if (status !== 200) throw new Error(`the CA answered ${status}: ${text}`);
			return { key: keyPair.pem, cert: text, authorizationId, startId, token, keyPair };
		},
	};
}

/** SHA-256, hexadecimal. */
export function sha256(bytes: Buffer | string): string {
	return createHash('sha256').update(bytes).digest('hex');
}

function call(target: object, { headers = {}, body }: RequestOptions): Promise<Answer> {
	const isJson = body !== undefined && typeof body === 'object' && !Buffer.isBuffer(body);
	const payload = isJson ? JSON.stringify(body) : body as string | Buffer | undefined;
	const send = 'socketPath' in target ? httpRequest : httpsRequest;
	const ownHeaders = {
		...(isJson && { 'content-type': 'application/json' }),
		...(payload !== undefined && { 'content-length': String(Buffer.byteLength(payload)) }),
	};
	return new Promise((resolve, reject) => {
		const request = send({ ...target, headers: { ...ownHeaders, ...headers } }, (response) => {
			const chunks: Buffer[] = [];
			response.on('data', (chunk: Buffer) => chunks.push(chunk));
			response.once('error', reject);
			response.once('end', () => {
				const bytes = Buffer.concat(chunks);
				const text = bytes.toString('utf8');
				resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes, text, json: <T>() => JSON.parse(text) as T });
			});
		});
		request.once('error', reject);
		request.end(payload);
	});
}
