/** The CA's revocation lists, kept fresh while any identity is mounted: those who are called want to know who is dead. */

import { errorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { RevocationList } from '../ca-client.ts';

const INTERVAL_MS = 2_000;
/** Looked at so long ago, nobody has kept it fresh, because nothing was mounted: it may have ended, or somebody may be missing in it. */
const STALE_MS = 10_000;

export interface RevocationListsDeps {
	readonly ca: { revocationList(etag?: string): Promise<RevocationList | undefined> };
	/** are there volumes to write to? */
	readonly isWanted: () => boolean;
	/** not waited for: one volume that cannot be written now must not keep the next list from the others */
	readonly onChange: (text: string) => void;
	/** milliseconds that only grow */
	readonly now?: () => number;
	readonly logger: Pick<Logger, 'debug'>;
}

export interface RevocationLists {
	/** PEM, as the last successful look found it; when that was a while ago, one more begins, and is waited for when nobody looked meanwhile. @throws BirthmarkError when the CA never answered */
	current(): Promise<string>;
	/** The CA revoked something: look now. */
	wake(): void;
	close(): void;
}

export function startRevocationLists({ ca, isWanted, onChange, now = () => performance.now(), logger }: RevocationListsDeps): RevocationLists {
	let known: RevocationList | undefined;
	let lookedAt = -Infinity;
	let looking: Promise<void> | undefined;
	let timer: NodeJS.Timeout | undefined;
	let closed = false;

	/** One look at a time; a failed one leaves what is known. */
	function look(): Promise<void> {
		looking ??= fetchNewest().finally(() => (looking = undefined));
		return looking;
	}

	async function fetchNewest(): Promise<void> {
		const begunAt = now();
		const newest = await ca.revocationList(known?.etag);
		lookedAt = begunAt;
		if (!newest || newest.text === known?.text) return;
		known = newest;
		onChange(newest.text);
	}

	function again(): void {
		if (closed) return;
		clearTimeout(timer);
		timer = setTimeout(() => (isWanted() ? wake() : again()), INTERVAL_MS);
	}

	function wake(): void {
		look()
			.catch((error: unknown) => logger.debug('no revocation list', { code: errorCode(error) }))
			.finally(again);
	}

	again();
	return {
		async current() {
			if (!known) await look();
			const age = now() - lookedAt;
			const looked = age >= INTERVAL_MS ? look().catch(() => undefined) : undefined;
			if (age >= STALE_MS) await looked;
			return known!.text;
		},
		wake,
		close: () => {
			closed = true;
			clearTimeout(timer);
		},
	};
}
