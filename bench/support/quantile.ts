/** Figures of a distribution. */

/** @param fraction 0.5 for the median */
export function quantile(values: readonly number[], fraction: number): number {
	return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * fraction))]!;
}
