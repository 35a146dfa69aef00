/** Work that is done side by side, a few pieces at a time, and its output line by line. */

/**
 * @param lanes how many are under way at the same time
 * @returns what each returned, in the order of the pieces; all are done when it ends, also when one throws
 */
export async function inLanes<T>(lanes: number, pieces: ReadonlyArray<() => Promise<T>>): Promise<T[]> {
	const results = new Map<number, T>();
	const queue = pieces.entries();
	const errors: unknown[] = [];
	await Promise.all(Array.from({ length: Math.min(lanes, pieces.length) }, async () => {
		for (const [index, piece] of queue) await piece().then((result) => results.set(index, result), (error: unknown) => errors.push(error));
	}));
	if (errors.length > 0) throw errors[0];
	return pieces.map((_, index) => results.get(index)!);
}

export interface Lines {
	write(chunk: string): void;
	/** what was written without the end of its line */
	end(): void;
}

/** Whole lines with a name before each, so that those of several writers can stand between each other. */
export function namedLines(name: string, print: (line: string) => void): Lines {
	let rest = '';
	return {
		write: (chunk) => {
			const lines = (rest + chunk).split('\n');
			rest = lines.pop()!;
			for (const line of lines) print(line.trim() === '' ? '\n' : `${name} ${line}\n`);
		},
		end: () => {
			if (rest !== '') print(`${name} ${rest}\n`);
			rest = '';
		},
	};
}
