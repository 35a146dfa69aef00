/** Suggestions for misspelt words. */

/** @returns the candidate that takes the fewest edits (Levenshtein), when it is at most a third of its length away */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
	let best: string | undefined;
	let bestDistance = Infinity;
	for (const candidate of candidates) {
		const most = Math.ceil(candidate.length / 3);
		const distance = editDistance(word, candidate, most);
		if (distance < bestDistance && distance <= most) [best, bestDistance] = [candidate, distance];
	}
	return best;
}

/** Letters that one must change, leave out or add. @param most what is further away is not measured: Infinity */
export function editDistance(a: string, b: string, most: number): number {
	// Whoever writes the word may make it as long as a whole request.
	if (Math.abs(a.length - b.length) > most) return Infinity;
	let row = Array.from({ length: b.length + 1 }, (_, index) => index);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
		}
		row = next;
	}
	return row[b.length]!;
}
