/**
 * One call to the engine's API, as the docker.authz/1.0 protocol shows it (moby,
 * docs/extend/plugins_authorization.md), read the way the engine's router reads it.
 */

import { posix } from 'node:path';
import { LOCAL_CALLER } from '#common/policy/request.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';

export type MethodAndPath = Pick<EngineCall, 'method' | 'path'>;

export interface EngineCall {
	/** {@link LOCAL_CALLER}, or the common name of the TLS client's certificate, which the engine has verified */
	readonly caller: string;
	readonly method: string;
	/** decoded once, cleaned, without version prefix, query and authority: `/containers/create` */
	readonly path: string;
	/** major and minor number of the version prefix; absent when there is none: the engine's newest */
	readonly apiVersion?: readonly [number, number];
	readonly query: URLSearchParams;
	/** absent when the engine showed none */
	readonly body?: Buffer;
	readonly headers: Readonly<Record<string, string>>;
	/** only on the way back */
	readonly response?: { readonly status: number; readonly body: Buffer };
}

/** What stands before the path in absolute form. The engine also routes `http:/containers/create`, without an authority. */
const BEFORE_PATH = /^[a-z][a-z0-9+.-]*:(?:\/\/[^/?]*)?/i;
const VERSION = /^\/v([0-9.]+)(?=\/)/;

/**
 * @param message the JSON document that the engine posted
 * @throws BirthmarkError `request-malformed` for anything but an authorization request: the engine
 * repeats calls with an empty body when the connection broke
 */
export function parseEngineCall(message: string): EngineCall {
	let value: unknown;
	try {
		value = JSON.parse(message);
	} catch (cause) {
		throw new BirthmarkError('request-malformed', 'the engine sent something other than an authorization request', { cause });
	}
	const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
	const { RequestMethod: method, RequestUri: uri, RequestBody: body, RequestHeaders: headers, ResponseStatusCode: status, ResponseBody: answer } = fields;
	if (typeof method !== 'string' || method === '' || typeof uri !== 'string' || uri === '') {
		throw new BirthmarkError('request-malformed', 'the engine sent an authorization request without method or address');
	}
	return {
		caller: callerOf(fields),
		method,
		...splitUri(uri),
		...(typeof body === 'string' && body !== '' && { body: Buffer.from(body, 'base64') }),
		headers: typeof headers === 'object' && headers !== null ? (headers as Record<string, string>) : {},
		...(typeof status === 'number' && { response: { status, body: Buffer.from(typeof answer === 'string' ? answer : '', 'base64') } }),
	};
}

/** A certificate without a name, or with the one that stands for none, does not make its holder a caller of the socket. */
function callerOf({ User: name, UserAuthNMethod: way }: Record<string, unknown>): string {
	if (way !== 'TLS') return LOCAL_CALLER;
	return typeof name !== 'string' || name === '' || name === LOCAL_CALLER ? `tls/${String(name ?? '')}` : name;
}

/** Path, version and query of a request target in origin or absolute form (RFC 9112 §3.2). */
export function splitUri(uri: string): Pick<EngineCall, 'path' | 'apiVersion' | 'query'> {
	const target = uri.replace(BEFORE_PATH, '');
	const mark = target.indexOf('?');
	const decoded = decodeOnce(mark < 0 ? target : target.slice(0, mark));
	const clean = posix.normalize('/' + decoded);
	// A question mark at its beginning would be left out: to Go it belongs to the name.
	const query = new URLSearchParams(mark < 0 ? '' : `&${pairsThatCount(target.slice(mark + 1))}`);
	const version = VERSION.exec(clean);
	if (!version) return { path: clean, query };
	const [major, minor] = version[1]!.split('.').map(Number);
	return { path: clean.slice(version[0].length), apiVersion: [major ?? 0, minor ?? 0], query };
}

/** Byte for byte, so that no sequence fails; what is matched against is ASCII. */
function decodeOnce(path: string): string {
	if (!path.includes('%')) return path;
	return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Go leaves out pairs with a semicolon or a percent sign that begins no byte (net/url, parseQuery). */
function pairsThatCount(query: string): string {
	if (!/[;%]/.test(query)) return query;
	return query.split('&').filter((pair) => !/;|%(?![0-9a-f]{2})/i.test(pair)).join('&');
}
