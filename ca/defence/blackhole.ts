/**
 * The blackhole (a promise of Pollendina): who sends too many bad CSRs or tokens, or fails too often to
 * say who it is, is not heard for a growing time. What counts against whom, and why nobody can shut out
 * somebody else, is in docs/adr/0012. Each instance of the CA counts for itself.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { createLedger, type Ledger, type LedgerSettings } from './ledger.ts';
import { SOURCE_KINDS, type Source, type SourceKind } from './source.ts';

export interface BlackholeSettings extends LedgerSettings {
	/** for addresses, which many may share, instead of `failures` */
	readonly addressFailures: number;
}

/** The refusal that a source gets while it is shut out. */
export class ShutOutError extends BirthmarkError {
	readonly retryAfterSeconds: number;

	constructor(kind: SourceKind, retryAfterSeconds: number, options?: { cause?: unknown }) {
		super('source-shut-out', `too many bad requests came from this ${kind}; it is heard again in ${retryAfterSeconds} seconds`, options);
		this.retryAfterSeconds = retryAfterSeconds;
	}
}

export interface Blackhole {
	/** @throws ShutOutError while the source is shut out */
	admit(source: Source): void;
	/** Counts one bad request. @returns for how many seconds it shuts the source out, 0 when it does not */
	fail(source: Source): number;
	/** how many sources of the kind are shut out now */
	shutOut(kind: SourceKind): number;
	/** how often one was, since the start */
	timesShutOut(kind: SourceKind): number;
}

export interface BlackholeDeps {
	/** asked at every use: they may be reloaded */
	readonly settings: () => BlackholeSettings;
	/** milliseconds of a clock that never jumps */
	readonly monotonic?: () => number;
}

export function createBlackhole({ settings, monotonic = () => performance.now() }: BlackholeDeps): Blackhole {
	// Apart, so that a flood of addresses makes no identity or token forgotten.
	const ledgers = Object.fromEntries(SOURCE_KINDS.map((kind) => [kind, createLedger(
		kind === 'address' ? () => ({ ...settings(), failures: settings().addressFailures }) : settings,
		monotonic,
	)])) as Record<SourceKind, Ledger>;
	const times: Record<SourceKind, number> = { address: 0, token: 0, identity: 0 };
	return {
		admit({ kind, key }) {
			const seconds = ledgers[kind].remaining(key);
			if (seconds > 0) throw new ShutOutError(kind, seconds);
		},
		fail({ kind, key }) {
			const seconds = ledgers[kind].fail(key);
			if (seconds > 0) times[kind]++;
			return seconds;
		},
		shutOut: (kind) => ledgers[kind].shutOut(),
		timesShutOut: (kind) => times[kind],
	};
}
