/**
 * Reading parsed JSON the way Go's encoding/json fills structures and maps, and refusing what it
 * fills in a way that is easy to misread.
 *
 * Keys of a structure match in any case, by Unicode folding ("Labelſ" is Labels), and a repeated key
 * merges into the first. Keys of a map are taken as they are, and the last one wins.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { JsonObject, type JsonValue } from '#common/protocol/strict-json.ts';

/** Field name in lower case → value; null, which Go ignores, is left out. */
export type Fields = ReadonlyMap<string, JsonValue>;

const NO_FIELDS: Fields = new Map();

/**
 * @param where the place in the request, for the message, e.g. `HostConfig`
 * @throws BirthmarkError `engine-request-ambiguous` when two keys fold into one or a key is not ASCII,
 * `request-malformed` when it is no object
 */
export function structFields(value: JsonValue | undefined, where: string): Fields {
	if (value === undefined || value === null) return NO_FIELDS;
	if (!(value instanceof JsonObject)) throw wrongType(where, 'an object');
	const seen = new Map<string, JsonValue>();
	for (const [key, inner] of value.entries) {
		if (!/^[\x20-\x7e]*$/.test(key)) {
			throw new BirthmarkError('engine-request-ambiguous', `${where} has the key ${quote(key)}, which is not ASCII`);
		}
		const folded = key.toLowerCase();
		if (seen.has(folded)) {
			throw new BirthmarkError('engine-request-ambiguous', `${where} has the key ${quote(key)} twice (upper and lower case are the same)`);
		}
		seen.set(folded, inner);
	}
	for (const [key, inner] of seen) if (inner === null) seen.delete(key);
	return seen;
}

/** A Go `map[string]string`; null values are empty strings there. */
export function stringMap(value: JsonValue | undefined, where: string): ReadonlyMap<string, string> {
	const result = new Map<string, string>();
	for (const [key, inner] of mapEntries(value, where)) result.set(key, asString(inner ?? undefined, `${where}[${quote(key)}]`));
	return result;
}

/** The entries of a Go map with values of any type. */
export function mapEntries(value: JsonValue | undefined, where: string): ReadonlyMap<string, JsonValue> {
	if (value === undefined || value === null) return NO_FIELDS;
	if (!(value instanceof JsonObject)) throw wrongType(where, 'an object');
	return new Map(value.entries);
}

/** @returns the empty string, Go's zero value, when absent */
export function asString(value: JsonValue | undefined, where: string): string {
	if (value === undefined || value === null) return '';
	if (typeof value !== 'string') throw wrongType(where, 'a string');
	return value;
}

/** A Go slice; empty when absent. */
export function asList(value: JsonValue | undefined, where: string): readonly JsonValue[] {
	if (value === undefined || value === null) return [];
	if (!Array.isArray(value)) throw wrongType(where, 'a list');
	return value;
}

/** False for what Go's decoder leaves as the zero value: absent, null, false, 0, "", [] and {}. */
export function isSet(value: JsonValue | undefined): boolean {
	if (value === undefined || value === null || value === false || value === 0 || value === '') return false;
	if (Array.isArray(value)) return value.length > 0;
	return !(value instanceof JsonObject) || value.entries.length > 0;
}

function wrongType(where: string, expected: string): BirthmarkError {
	return new BirthmarkError('request-malformed', `${where} is not ${expected}`);
}
