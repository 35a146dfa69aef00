/**
 * Structured logs: one JSON object a line on standard error, from one list of field names.
 *
 * A field that is not in the list does not compile, and is left out where a variable holds more
 * than its type says. That is how secrets stay out: there is no field for a token, a key, a body or
 * a URL.
 */

import { BirthmarkError } from '../protocol/errors.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogFields {
	readonly code?: string;
	readonly reason?: string;
	readonly method?: string;
	/** the route's pattern, never the path: a path can hold a token */
	readonly route?: string;
	readonly status?: number;
	readonly durationMs?: number;
	readonly role?: string;
	readonly node?: string;
	readonly commonName?: string;
	readonly serial?: string;
	readonly authorizationId?: string;
	readonly startId?: string;
	/** who signs tokens of its own */
	readonly user?: string;
	/** an entry of `cfssl.clients` */
	readonly client?: string;
	readonly containerId?: string;
	/** of a swarm */
	readonly serviceId?: string;
	readonly image?: string;
	readonly volume?: string;
	readonly address?: string;
	/** of bad requests: an address, a certificate, a hash of a token */
	readonly source?: string;
	readonly path?: string;
	readonly count?: number;
	readonly seconds?: number;
	readonly signal?: string;
	readonly version?: string;
	readonly digest?: string;
	/** paths of a configuration, never values */
	readonly settings?: string;
	/** of the audit log, `<sequence>:<hash>` */
	readonly head?: string;
	readonly error?: unknown;
}

/** All that a line may hold, in this order, its causes included. */
const LINE_FIELDS = Object.keys({
	time: true, level: true, component: true, message: true,
	code: true, reason: true, method: true, route: true, status: true, durationMs: true, role: true, node: true, commonName: true, serial: true,
	authorizationId: true, startId: true, user: true, client: true, containerId: true, serviceId: true, image: true, volume: true, address: true, source: true, path: true, count: true, seconds: true,
	signal: true, version: true, digest: true, settings: true, head: true,
	error: true, stack: true, cause: true,
} satisfies Record<keyof LogFields | 'time' | 'level' | 'component' | 'message' | 'stack' | 'cause', true>);

export interface Logger {
	debug(message: string, fields?: LogFields): void;
	info(message: string, fields?: LogFields): void;
	warn(message: string, fields?: LogFields): void;
	error(message: string, fields?: LogFields): void;
}

/**
 * @param component the deployable: `ca`, `plugin`, `agent`
 * @param level asked at each line when it is a function
 * @param write one finished line without its newline
 */
export function createLogger(component: string, level: LogLevel | (() => LogLevel) = 'info', write: (line: string) => void = (line) => process.stderr.write(line + '\n')): Logger {
	const threshold = typeof level === 'function' ? () => LOG_LEVELS.indexOf(level()) : () => LOG_LEVELS.indexOf(level);
	const at = (name: LogLevel) => (message: string, fields: LogFields = {}) => {
		if (LOG_LEVELS.indexOf(name) < threshold()) return;
		const { error, ...rest } = fields;
		write(JSON.stringify({ ...rest, time: new Date().toISOString(), level: name, component, message, ...describe(error) }, LINE_FIELDS));
	};
	return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A logger that says nothing, for tests and for libraries that were given none. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Code and message of an error, and of unexpected ones the stack; causes as far as three deep. */
function describe(error: unknown, depth = 0): Record<string, unknown> {
	if (error === undefined) return {};
	if (!(error instanceof Error)) return { error: String(error) };
	const cause = error.cause !== undefined && depth < 3 ? { cause: describe(error.cause, depth + 1) } : {};
	if (error instanceof BirthmarkError) return { code: error.code, error: error.message, ...cause };
	const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
	return { ...code, error: error.message, stack: error.stack, ...cause };
}
