/** Lets so many through at once; the others wait in a line, and not for ever. */

import { BirthmarkError } from '#common/protocol/errors.ts';

export interface Gate {
	/**
	 * Resolves when there is a place.
	 *
	 * @returns gives the place back
	 * @throws BirthmarkError `ca-unavailable` when none became free for so long
	 */
	enter(): Promise<() => void>;
	/** how many wait */
	waiting(): number;
}

export function createGate(places: number, patienceMs: number): Gate {
	const line: Array<() => void> = [];
	let free = places;
	const leave = (): void => {
		const next = line.shift();
		if (next) next();
		else free++;
	};
	const once = (): (() => void) => {
		let isLeft = false;
		return () => {
			if (isLeft) return;
			isLeft = true;
			leave();
		};
	};
	return {
		enter: () => new Promise((resolve, reject) => {
			if (free > 0) {
				free--;
				return resolve(once());
			}
			const timer = setTimeout(() => {
				line.splice(line.indexOf(go), 1);
				reject(new BirthmarkError('ca-unavailable', 'the database of the CA has more to do than it can do: try again'));
			}, patienceMs);
			const go = (): void => {
				clearTimeout(timer);
				resolve(once());
			};
			line.push(go);
		}),
		waiting: () => line.length,
	};
}
