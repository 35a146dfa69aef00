/** Statements with named parameters (`:serial`), as SQLite takes them, and numbered ones (`$1`), as PostgreSQL does. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Parameters, Value } from './database.ts';

export interface Statement {
	/** with `$1`, `$2`, …; one number per name */
	readonly numbered: string;
	/** in the order of their numbers */
	readonly names: readonly string[];
}

/** A quoted string, a cast (`::text`), or a parameter, also one that is compared with NULL. */
const TOKEN = /'(?:[^']|'')*'|::\w+|:([A-Za-z_]\w*)(\s+IS\s+(?:NOT\s+)?NULL\b)?/gi;

export function parseStatement(text: string): Statement {
	const names: string[] = [];
	const numbered = text.replace(TOKEN, (token, name: string | undefined, comparison: string | undefined) => {
		if (name === undefined) return token;
		if (!names.includes(name)) names.push(name);
		const number = `$${names.indexOf(name) + 1}`;
		// PostgreSQL wants to know of what type the NULL would be. Where it is no text the statement has to say.
		return comparison === undefined ? number : `CAST(${number} AS TEXT)${comparison}`;
	});
	return { numbered, names };
}

/**
 * @throws TypeError when one is missing: SQLite would take it for NULL; BirthmarkError `request-malformed`
 * for a NUL character, which PostgreSQL holds in no text and SQLite would
 */
export function pickParameters({ names, numbered }: Statement, parameters: Parameters): Record<string, Value> {
	return Object.fromEntries(names.map((name) => {
		const value = parameters[name];
		if (value === undefined) throw new TypeError(`the parameter "${name}" of this statement is not given: ${numbered.trim()}`);
		if (typeof value === 'string' && value.includes('\0')) throw new BirthmarkError('request-malformed', 'a text has a NUL character in it: nothing is called so');
		return [name, value];
	}));
}
