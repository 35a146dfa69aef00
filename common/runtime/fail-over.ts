/**
 * Several addresses of one service, asked in their order, without a proxy in between. Which one
 * answered is remembered, so that the others are not waited for every time; after a while the
 * first gets its chance again.
 */

/** How long another address than the first is preferred. */
const RETURN_MS = 60_000;
/** The HTTP status by which an instance says that another may do better: its store is away, or it is stopping (RFC 9110 §15.6.4). */
export const SERVICE_UNAVAILABLE = 503;

export interface FailOver<Address> {
	/** All addresses, in the order in which to ask them now. */
	order(): readonly Address[];
	/** This one answered: it is asked first from now on. */
	answered(address: Address): void;
}

/**
 * @param addresses at least one
 * @param now milliseconds that only grow
 */
export function createFailOver<Address>(addresses: readonly Address[], now: () => number = () => performance.now()): FailOver<Address> {
	let preferred = addresses[0] as Address;
	let since = 0;
	const isDue = (): boolean => now() - since >= RETURN_MS;
	return {
		order() {
			if (preferred === addresses[0] || isDue()) return addresses;
			return [preferred, ...addresses.filter((address) => address !== preferred)];
		},
		answered(address) {
			if (address === preferred && !isDue()) return;
			preferred = address;
			since = now();
		},
	};
}

export interface InOrder<Address, Result> {
	/** for all attempts together; each gets its share of what is left, the last one all of it */
	readonly deadlineMs: number;
	readonly attempt: (address: Address, budgetMs: number) => Promise<Result>;
	/** false for an answer that another address may better */
	readonly settles: (result: Result) => boolean;
	/** true for a failure that another address may not have */
	readonly movesOn: (error: unknown) => boolean;
}

/**
 * @returns the first answer that settles it, else that of the last address
 * @throws the error of the last address that was asked
 */
export async function tryInOrder<Address, Result>(failOver: FailOver<Address>, { deadlineMs, attempt, settles, movesOn }: InOrder<Address, Result>): Promise<Result> {
	const order = failOver.order();
	const end = performance.now() + deadlineMs;
	for (const [index, address] of order.entries()) {
		const isLast = index === order.length - 1;
		try {
			const result = await attempt(address, Math.max(1, Math.round((end - performance.now()) / (order.length - index))));
			if (settles(result)) failOver.answered(address);
			else if (!isLast) continue;
			return result;
		} catch (error) {
			if (isLast || !movesOn(error)) throw error;
		}
	}
	throw new TypeError('there is no address to ask');
}
