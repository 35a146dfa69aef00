/**
 * Proof that the engine asks the plugin before it acts, and obeys. `docker plugin disable` and
 * `enable` take a plugin out of the authorization chain without a word (moby, plugin/manager), so the
 * plugin calls the engine itself and watches whether that call comes by (docs/adr/0025).
 *
 * Such a call is let through as a rule. From time to time, and whenever there was no proof before, it
 * is refused, and the engine has to answer that: each refusal leaves a line in the engine's log.
 */

import { randomBytes } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';

/** What is wrong when the proof is negative, and what to do. */
export const OUT_OF_CHAIN = 'the engine does not ask the plugin before it acts; put the plugin into "authorization-plugins" in daemon.json and send the engine a SIGHUP';
export const NOT_OBEYED = 'the engine asks the plugin but does what it refuses; restart the engine, and report this';
export const REFUSED_BEFORE = 'another authorization plugin refuses GET /_ping before this one is asked; name this one first in "authorization-plugins" in daemon.json and send the engine a SIGHUP';

const INTERVAL_MS = 3_000;
/** While the answer is not yes, somebody is waiting for it. */
const IMPATIENT_INTERVAL_MS = 500;
const DEADLINE_MS = 2_000;
/** For a start that waits: an engine under load answers late. */
const PATIENT_DEADLINE_MS = 10_000;
const REFUSAL_INTERVAL_MS = 10 * 60_000;
const FORBIDDEN = 403;
/** From the question whether to start a container to that for its identity; an engine under load needs seconds. */
const START_MS = 5_000;
/** Starts under way. */
const MAX_STARTS = 1_000;

export interface EnforcementDeps {
	/** a call to the engine's API that carries the nonce @returns the status; throws when the API does not answer in time */
	readonly call: (nonce: string, deadlineMs: number) => Promise<number>;
	/** the API answered, whether or not the plugin was asked; `again` when it was away before */
	readonly onAnswer: (again: boolean) => void;
	/** the state is another one than before */
	readonly onChange?: () => void;
	/** milliseconds, never set back */
	readonly monotonic?: () => number;
	readonly logger: Logger;
}

export interface Enforcement {
	/** true: proved; false: the engine acted without asking; null: the API does not answer, e.g. while the engine starts */
	inChain(): boolean | null;
	/** what is wrong and what to do; undefined unless {@link inChain} is false */
	problem(): string | undefined;
	/**
	 * A proof that began after this call; whoever asks meanwhile shares it.
	 *
	 * @returns as {@link inChain}; null only for an engine that never acted without asking, as far as it
	 * answered, and that asked nothing meanwhile: one that only is too busy to answer asks, which proves as much
	 * @param containerId one that starts: no call is needed when the engine has just asked whether to start it,
	 * once for each time that it did
	 */
	prove(containerId?: string): Promise<boolean | null>;
	/** the engine asked whether to start this container, and will */
	startAsked(containerId: string): void;
	/** the engine may have another chain: what it asked before proves nothing any more */
	reloaded(): void;
	/** has the API answered since this process began? */
	engineAnswered(): boolean;
	/** the engine asked the plugin about a call, of whomever: it is no engine that starts */
	asked(): void;
	/** the authorization side saw a call with this nonce @returns whether to let it through */
	saw(nonce: string): boolean;
	counts(): ProofCounts;
	close(): void;
}

export interface ProofCounts {
	readonly positive: number;
	readonly negative: number;
	readonly unanswered: number;
}

interface Proof {
	readonly nonce: string;
	readonly refuse: boolean;
	seen: boolean;
}

export function startEnforcement({ call, onAnswer, onChange, monotonic = () => performance.now(), logger }: EnforcementDeps): Enforcement {
	let state: boolean | null = null;
	/** the last that was not null */
	let known: boolean | undefined;
	let problem: string | undefined;
	let obeyedAt = -Infinity;
	let proof: Proof | undefined;
	let running: Promise<boolean | null> | undefined;
	let next: Promise<boolean | null> | undefined;
	let timer: NodeJS.Timeout | undefined;
	let closed = false;
	let questions = 0;
	const counts = { positive: 0, negative: 0, unanswered: 0 };
	const starts = new Map<string, number>();

	function begin(deadlineMs: number): Promise<boolean | null> {
		clearTimeout(timer);
		running = attempt(deadlineMs).finally(() => {
			running = undefined;
			clearTimeout(timer);
			if (!closed) timer = setTimeout(() => void (running ?? begin(DEADLINE_MS)), state === true ? INTERVAL_MS : IMPATIENT_INTERVAL_MS);
		});
		return running;
	}

	async function attempt(deadlineMs: number): Promise<boolean | null> {
		const mine: Proof = { nonce: randomBytes(16).toString('hex'), refuse: state !== true || monotonic() - obeyedAt >= REFUSAL_INTERVAL_MS, seen: false };
		proof = mine;
		const status = await call(mine.nonce, deadlineMs).catch(() => undefined);
		settle(status === undefined ? undefined : faultOf(mine, status), status !== undefined);
		if (mine.refuse && state === true) obeyedAt = monotonic();
		return state;
	}

	function settle(fault: string | undefined, answered: boolean): void {
		const before = state;
		state = answered ? fault === undefined : null;
		counts[state === null ? 'unanswered' : state ? 'positive' : 'negative']++;
		problem = fault;
		if (state !== null) known = state;
		if (closed) return;
		if (state !== before) {
			if (state === true) logger.info('the engine asks this plugin before it acts');
			else if (state === false) logger.error(`no token is issued: ${fault}`, { code: 'enforcement-missing' });
			else logger.info('the API of the engine does not answer');
			onChange?.();
		}
		if (state !== null) onAnswer(before === null);
	}

	async function prove(containerId = ''): Promise<boolean | null> {
		const askedAt = starts.get(containerId) ?? -Infinity;
		starts.delete(containerId);
		if (state === true && monotonic() - askedAt < START_MS) return true;
		// One that has begun already may have passed the plugin before it was taken out of the chain.
		const before = questions;
		const patience = known === undefined ? DEADLINE_MS : PATIENT_DEADLINE_MS;
		next ??= (running ?? Promise.resolve()).then(() => {
			next = undefined;
			return begin(patience);
		});
		const proved = await next;
		if (proved !== null) return proved;
		if (known === false) return false;
		return questions > before ? true : null;
	}

	void begin(DEADLINE_MS);
	return {
		inChain: () => state,
		problem: () => problem,
		prove,
		startAsked: (containerId) => {
			starts.delete(containerId);
			starts.set(containerId, monotonic());
			if (starts.size > MAX_STARTS) starts.delete(starts.keys().next().value!);
		},
		reloaded: () => {
			starts.clear();
			void prove();
		},
		engineAnswered: () => known !== undefined,
		asked: () => void questions++,
		saw: (nonce) => {
			if (proof?.nonce !== nonce) return true;
			proof.seen = true;
			return !proof.refuse;
		},
		counts: () => ({ ...counts }),
		close: () => {
			closed = true;
			clearTimeout(timer);
		},
	};
}

/**
 * @param containerId the one that starts; any when absent
 * @returns true; null while the engine starts
 * @throws BirthmarkError `enforcement-missing`
 */
export async function requireProof(enforcement: Pick<Enforcement, 'prove' | 'problem'>, containerId?: string): Promise<true | null> {
	const proof = await enforcement.prove(containerId);
	if (proof !== false) return proof;
	throw new BirthmarkError('enforcement-missing', `no identity is issued: ${enforcement.problem() ?? 'the engine does not answer any more; try again'}`);
}

function faultOf({ seen, refuse }: Proof, status: number): string | undefined {
	if (!seen) return status === FORBIDDEN ? REFUSED_BEFORE : OUT_OF_CHAIN;
	return refuse && status !== FORBIDDEN ? NOT_OBEYED : undefined;
}
