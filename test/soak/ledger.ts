/** What the CA has answered under load, and therefore has to stand by for ever. */

import { createAuditVerifier } from '#common/protocol/audit-chain.ts';
import type { Credentials, KeyPair } from '../support/ca.ts';

/** One token, and what was tried with it. */
export interface TokenTries {
	readonly token: string;
	readonly keys: readonly KeyPair[];
	/** certificate chain by index of the key, as far as it was answered */
	readonly answers: Map<number, string>;
	/** a newer token was minted, and the answer to that had come before this one was tried */
	readonly isReplaced: boolean;
}

export interface Held extends Credentials {
	/** hexadecimal, lower case */
	readonly serial: string;
}

/** One container from its authorization to its end. A client has its own; no other touches them. */
export interface Life {
	readonly commonName: string;
	/** absent for one that enrolled with a token that a user signed */
	readonly authorizationId?: string;
	readonly tokens: TokenTries[];
	/** all that were answered, the newest last */
	readonly certificates: Held[];
	/** `doomed`: its end was asked for; `dead`: the CA has said that it is done */
	fate: 'live' | 'doomed' | 'dead';
}

export class Ledger {
	readonly lives: Life[] = [];
	/** what must never happen, in words */
	readonly faults: string[] = [];
	/** how often the CA answered, by kind of call */
	readonly answered = new Map<string, number>();
	/** remembers the head that was read last: a chain that was cut off or written anew since does not join on */
	readonly audit = createAuditVerifier();
	/** how many certificates of a serial number the audit log says were issued */
	readonly issued = new Map<string, number>();
	#crlNumber = 0;
	#total = 0;
	#awaited: { readonly total: number; reached(): void } | undefined;

	count(call: string): void {
		this.answered.set(call, (this.answered.get(call) ?? 0) + 1);
		this.#total++;
		if (this.#awaited && this.#total >= this.#awaited.total) this.#awaited.reached();
	}

	/** Resolves when so many more answers have come; for one waiter at a time. */
	moreAnswers(count: number): Promise<void> {
		return new Promise((resolve) => {
			this.#awaited = { total: this.#total + count, reached: resolve };
		});
	}

	fault(what: string): void {
		this.faults.push(what);
	}

	/** The highest CRL number that was seen; what is asked for afterwards has to have at least that. */
	get crlNumber(): number {
		return this.#crlNumber;
	}

	/** @param before {@link crlNumber} when the list was asked for */
	sawCrl(number: number, before: number): void {
		if (number < before) this.fault(`CRL number ${number} after ${before}`);
		this.#crlNumber = Math.max(this.#crlNumber, number);
	}

	/** Serial numbers of certificates that the CA said are revoked. */
	revoked(): string[] {
		return this.lives.filter(({ fate }) => fate === 'dead').flatMap(({ certificates }) => certificates.map(({ serial }) => serial));
	}
}
