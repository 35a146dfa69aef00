/** How much of something may happen over time: as much as is in a bucket that holds `burst` and fills steadily. */

export interface Rate {
	/** what the bucket holds, and holds at first */
	readonly burst: number;
	readonly perSecond: number;
}

/**
 * @param now milliseconds that only grow
 * @returns a function that takes an amount; false when there is not so much, and then nothing is taken
 */
export function createTokenBucket({ burst, perSecond }: Rate, now: () => number = () => performance.now()): (amount: number) => boolean {
	let level = burst;
	let filledAt = now();
	return (amount) => {
		const at = now();
		level = Math.min(burst, level + ((at - filledAt) / 1000) * perSecond);
		filledAt = at;
		if (amount > level) return false;
		level -= amount;
		return true;
	};
}
