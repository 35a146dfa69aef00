/** What was found out about something by its name or id, and is found out again when it was forgotten. */

const MAX_REMEMBERED = 1_000;

export interface Remembered {
	remember(name: string): void;
	has(name: string): boolean;
}

export function createRemembered(): Remembered {
	const names = new Set<string>();
	return {
		remember(name) {
			names.delete(name);
			names.add(name);
			if (names.size > MAX_REMEMBERED) names.delete(names.values().next().value!);
		},
		has: (name) => names.has(name),
	};
}
