/**
 * How an application takes up a new certificate, when else it is told, and where it shows which one it
 * serves: the labels `birthmark.reload`, `birthmark.reload-on` and `birthmark.port`, which reach the agent in
 * `agent.json` as they were written.
 * Plugin and agent read them by these same functions.
 */

import { isDnsName } from './names.ts';

/** Sent to the application. Signals that mean its end are none of them. */
export const RELOAD_SIGNALS = ['HUP', 'USR1', 'USR2'] as const;

export type Reload =
	| { readonly way: 'signal'; readonly signal: `SIG${(typeof RELOAD_SIGNALS)[number]}` }
	/** program and arguments, without a shell */
	| { readonly way: 'exec'; readonly command: readonly [string, ...string[]] }
	/** `POST` to the container itself */
	| { readonly way: 'http'; readonly to: LocalAddress; readonly path: string };

/** `any`: also for another revocation list; `certificate`: for another certificate or trust bundle only. */
export const RELOAD_OCCASIONS = ['any', 'certificate'] as const;
export type ReloadOccasion = (typeof RELOAD_OCCASIONS)[number];

/** As the connection options of node:net name it. */
export type LocalAddress = { readonly host: '127.0.0.1' | '::1'; readonly port: number } | { readonly socketPath: string };

/** Where the application serves its certificate. */
export interface ServedAddress {
	/** IP address */
	readonly host: string;
	readonly port: number;
	/** asked for by SNI; the certificate's own when absent */
	readonly serverName?: string;
	/** what is spoken before TLS begins */
	readonly startTls?: StartTls;
}

export const START_TLS = ['postgres'] as const;
export type StartTls = (typeof START_TLS)[number];

const MAX_LENGTH = 1024;
const MAX_ARGUMENTS = 32;
const HTTP_PORT = 80;
const LOOPBACK = '127.0.0.1';
/** What a shell would make something of. */
const FOR_A_SHELL = /["'`\\$|&;<>()*?~#]/;
const PATH = '(/[!"$-~]*)';
const BY_PORT = new RegExp(`^http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(?::(\\d{1,5}))?${PATH}?$`);
/** A socket's path has 107 bytes at most, unix(7). */
const BY_SOCKET = new RegExp(`^http://unix:(/[!-9;-~]{1,106}):${PATH}$`);
const SERVED = /^(?:([a-z]+):)?(?:(\[[0-9a-fA-F:.]+\]|\d[\d.]*\.\d+):)?(\d{1,5})(?:\/(.*))?$/;

/**
 * @param text value of `birthmark.reload`
 * @param refuse makes an error of a reason, half a sentence
 */
export function parseReload(text: string, refuse: (why: string) => Error): Reload {
	if (text.length > MAX_LENGTH) throw refuse(`it is longer than ${MAX_LENGTH} characters`);
	const [, way, rest = ''] = /^(signal|exec|http):(.*)$/s.exec(text) ?? [];
	switch (way) {
		case 'signal': return { way, signal: parseSignal(rest, refuse) };
		case 'exec': return { way, command: parseCommand(rest.trim(), refuse) };
		case 'http': return { way, ...parseLocalUrl(text, refuse) };
		default: throw refuse('use signal:HUP, exec:PROGRAM ARGUMENTS or http://127.0.0.1:PORT/PATH');
	}
}

/**
 * @param text value of `birthmark.reload-on`
 * @param refuse makes an error of a reason, half a sentence
 */
export function parseReloadOccasion(text: string, refuse: (why: string) => Error): ReloadOccasion {
	const occasion = RELOAD_OCCASIONS.find((known) => known === text);
	if (occasion === undefined) throw refuse(`use ${RELOAD_OCCASIONS.join(' or ')}`);
	return occasion;
}

/**
 * @param text value of `birthmark.port`
 * @param refuse makes an error of a reason, half a sentence
 */
export function parseServedAddress(text: string, refuse: (why: string) => Error): ServedAddress {
	const [, protocol, address, port = '', serverName] = SERVED.exec(text) ?? [];
	const host = address?.replace(/^\[|\]$/g, '') ?? LOOPBACK;
	if (!isPort(port) || !isAddress(host)) throw refuse('use a port like 8443, 8443/api.example.com, postgres:5432 or 192.0.2.1:8443');
	const startTls = START_TLS.find((known) => known === protocol);
	if (protocol !== undefined && startTls === undefined) throw refuse(`before TLS it can speak ${START_TLS.join(', ')}, and nothing else`);
	if (serverName !== undefined && !isDnsName(serverName)) throw refuse('what follows the slash is no host name in lower case');
	return { host, port: Number(port), ...(serverName !== undefined && { serverName }), ...(startTls && { startTls }) };
}

/** The module is loaded when there is an address to judge: most agents never have one, and start faster without. */
function isAddress(host: string): boolean {
	return process.getBuiltinModule('node:net').isIP(host) !== 0;
}

function parseSignal(name: string, refuse: (why: string) => Error): `SIG${(typeof RELOAD_SIGNALS)[number]}` {
	const signal = RELOAD_SIGNALS.find((known) => name === known || name === `SIG${known}`);
	if (signal === undefined) throw refuse(`use one of the signals ${RELOAD_SIGNALS.join(', ')}`);
	return `SIG${signal}`;
}

/** Words between blanks; or a JSON array, for words with blanks and whatever else. */
function parseCommand(text: string, refuse: (why: string) => Error): [string, ...string[]] {
	if (!text.startsWith('[') && FOR_A_SHELL.test(text)) throw refuse('no shell reads the command: without one write it as JSON, exec:["PROGRAM","ARGUMENT"]');
	const words = text.startsWith('[') ? parseJson(text) : text.split(/\s+/);
	const isCommand = Array.isArray(words) && words.every((word) => typeof word === 'string' && !word.includes('\0'));
	const [program, ...args] = isCommand ? words as string[] : [];
	if (!program) throw refuse('after exec: there is no program, nor a JSON array of texts');
	if (args.length > MAX_ARGUMENTS) throw refuse(`it has more than ${MAX_ARGUMENTS} arguments`);
	return [program, ...args];
}

function parseLocalUrl(text: string, refuse: (why: string) => Error): { to: LocalAddress; path: string } {
	const [, socketPath, socketUrlPath] = BY_SOCKET.exec(text) ?? [];
	if (socketPath !== undefined) return { to: { socketPath }, path: socketUrlPath! };
	const [, host, port = String(HTTP_PORT), path = '/'] = BY_PORT.exec(text) ?? [];
	if (host === undefined || !isPort(port)) throw refuse('only the container itself is asked: use http://127.0.0.1:PORT/PATH, http://[::1]:PORT/PATH or http://unix:/PATH/OF/SOCKET:/PATH');
	return { to: { host: host === '[::1]' ? '::1' : LOOPBACK, port: Number(port) }, path };
}

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

function isPort(text: string): boolean {
	return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}
