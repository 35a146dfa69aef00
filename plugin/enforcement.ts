/**
 * Proof that the engine asks the plugin before it acts. `docker plugin disable` and `enable` take a
 * plugin out of the authorization chain without a word (moby, plugin/manager), so the plugin calls
 * the engine itself and watches whether that call comes by.
 */

import { randomBytes } from 'node:crypto';
import type { Logger } from '#common/runtime/log.ts';

/** What is wrong when the proof is negative, and what to do. */
export const OUT_OF_CHAIN = 'the engine does not ask the plugin before it acts; put the plugin into "authorization-plugins" in daemon.json and send the engine a SIGHUP';

const INTERVAL_MS = 3_000;
/** While the answer is not yes, somebody is waiting for it. */
const IMPATIENT_INTERVAL_MS = 500;

export interface EnforcementDeps {
	/** a call to the engine's API that carries the nonce; throws when the API does not answer */
	readonly call: (nonce: string) => Promise<void>;
	/** the API answered, whether or not the plugin was asked; `again` when it was away before */
	readonly onAnswer: (again: boolean) => void;
	readonly logger: Logger;
}

export interface Enforcement {
	/** true: proved; false: the engine acted without asking; null: the API does not answer, e.g. while the engine starts */
	inChain(): boolean | null;
	/** has the API answered since this process began? */
	engineAnswered(): boolean;
	/** the authorization side saw a call with this nonce */
	saw(nonce: string): void;
	close(): void;
}

export function startEnforcement({ call, onAnswer, logger }: EnforcementDeps): Enforcement {
	let state: boolean | null = null;
	let answered = false;
	let proof: { readonly nonce: string; seen: boolean } | undefined;
	let timer: NodeJS.Timeout | undefined;
	let closed = false;

	async function prove(): Promise<void> {
		proof = { nonce: randomBytes(16).toString('hex'), seen: false };
		const before = state;
		state = await call(proof.nonce).then(
			() => proof!.seen,
			() => null,
		);
		answered ||= state !== null;
		if (closed) return;
		if (state !== before) {
			if (state === true) logger.info('the engine asks this plugin before it acts');
			else if (state === false) logger.error(`no token is issued: ${OUT_OF_CHAIN}`, { code: 'enforcement-missing' });
			else logger.info('the API of the engine does not answer');
		}
		if (state !== null) onAnswer(before === null);
		timer = setTimeout(() => void prove(), state === true ? INTERVAL_MS : IMPATIENT_INTERVAL_MS);
	}

	void prove();
	return {
		inChain: () => state,
		engineAnswered: () => answered,
		saw: (nonce) => {
			if (proof?.nonce === nonce) proof.seen = true;
		},
		close: () => {
			closed = true;
			clearTimeout(timer);
		},
	};
}
