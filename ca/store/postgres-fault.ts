/** What a failed call of PostgreSQL means: its SQLSTATE, PostgreSQL's documentation, appendix A. */

/** A failure that came from the server or the way there, as opposed to one of the work itself. */
export class PostgresFault extends Error {
	/** undefined when the server did not get to say anything */
	readonly #state: string | undefined;
	/** sure to have had no effect that lasts */
	readonly isUndone: boolean;

	constructor(cause: unknown, { isUndone }: { readonly isUndone: boolean }) {
		const { code, message, severity } = cause as { code?: unknown; message?: unknown; severity?: unknown };
		super(String(message || code), { cause });
		// Errors of the operating system have codes too (ECONNREFUSED), but no severity.
		this.#state = typeof code === 'string' && severity !== undefined ? code : undefined;
		this.isUndone = isUndone;
	}

	/** Serialization failure or deadlock: the server undid the transaction because of others, whatever was last asked of it. */
	get isCalledOff(): boolean {
		return this.#state === '40001' || this.#state === '40P01';
	}

	get isKeyTaken(): boolean {
		return this.#state === '23505';
	}

	/** The connection is of no use any more. */
	get isLost(): boolean {
		return this.#state === undefined || /^(08|57P|25P03)/.test(this.#state);
	}

	/** What the connection has prepared is of a schema that a newer program has changed meanwhile ("cached plan must not change result type"). */
	get isOutdated(): boolean {
		return this.#state === '0A000';
	}

	/** A certificate or key that the URL names is not there, or not readable: no connection was tried. */
	get isOurs(): boolean {
		return (this.cause as { syscall?: unknown } | undefined)?.syscall === 'open';
	}

	/** The server does not let the CA in: invalid authorization, no such database. */
	get isRefusal(): boolean {
		return this.#state !== undefined && /^(28|3D)/.test(this.#state);
	}

	/** Connection, resources (a full disk, too many connections), an operator, time-outs, a standby that cannot write, faults of the system. */
	get isUnavailable(): boolean {
		return this.#state === undefined || /^(08|53|55|57|58|25P03|25006|XX)/.test(this.#state);
	}
}
