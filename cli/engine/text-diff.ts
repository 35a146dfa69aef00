/** What changes in a text, for people: the lines from the first to the last that differ. */

/** @returns lines that go, with `- `, then lines that come, with `+ ` */
export function changedLines(before: string, after: string): string[] {
	const [old, anew] = [before, after].map((text) => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))) as [string[], string[]];
	const shorter = Math.min(old.length, anew.length);
	let first = 0;
	while (first < shorter && old[first] === anew[first]) first++;
	let last = 0;
	while (last < shorter - first && old.at(-1 - last) === anew.at(-1 - last)) last++;
	return [...old.slice(first, old.length - last).map((line) => `- ${line}`), ...anew.slice(first, anew.length - last).map((line) => `+ ${line}`)];
}
