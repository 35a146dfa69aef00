/**
 * Configuration of a deployable: parse → defaults → validate → frozen. Unknown keys are errors, and
 * every fault is reported at once with its path. The only place, beside the CA's request schemas,
 * that knows zod.
 */

import { z } from 'zod';
import { BirthmarkError } from '../protocol/errors.ts';

/**
 * @param source what the values came from, for the message, e.g. a file name or `environment`
 * @returns the validated value, deeply frozen
 * @throws BirthmarkError `config-invalid` that lists every fault, one per line: `<path>: <what is wrong>`
 */
export function parseConfig<Schema extends z.ZodType>(schema: Schema, value: unknown, source: string): Readonly<z.output<Schema>> {
	const result = schema.safeParse(value);
	if (!result.success) {
		const faults = result.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
		throw new BirthmarkError('config-invalid', `${source} has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n  ${faults.join('\n  ')}`);
	}
	return deepFreeze(result.data);
}

function deepFreeze<T>(value: T): T {
	if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
		Object.freeze(value);
		for (const inner of Object.values(value)) deepFreeze(inner);
	}
	return value;
}
