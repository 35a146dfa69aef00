/** What goes on at the same time and is to be cleaned up after together. */

/**
 * Like `Promise.all`, but nothing goes on any more when it rejects.
 *
 * @throws what the first of them in the list threw
 */
export async function allOver(works: readonly (Promise<unknown> | undefined)[]): Promise<void> {
	await Promise.allSettled(works);
	await Promise.all(works);
}
