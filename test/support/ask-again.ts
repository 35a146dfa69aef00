/**
 * What whoever asks does when there is more to do than the database server can do: he asks again. What is
 * tested is what came of it, and not whether a machine that is busy with other tests was fast enough.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Answer } from './ca.ts';

/** Of the store. */
export async function answered<T>(ask: () => Promise<T>): Promise<T> {
	for (;;) {
		try {
			return await ask();
		} catch (error) {
			if (!(error instanceof BirthmarkError) || error.code !== 'ca-unavailable') throw error;
		}
	}
}

/** Of a CA. */
export async function answeredByCa(ask: () => Promise<Answer>): Promise<Answer> {
	for (;;) {
		const answer = await ask();
		if (answer.status !== 503) return answer;
	}
}
