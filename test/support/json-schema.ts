/** Values made after a JSON Schema (2020-12, as far as zod writes it): right ones, and almost right ones. */

import fc from 'fast-check';

export interface JsonSchema {
	readonly type?: string;
	readonly properties?: Readonly<Record<string, JsonSchema>>;
	readonly required?: readonly string[];
	readonly additionalProperties?: boolean | JsonSchema;
	readonly items?: JsonSchema;
	readonly anyOf?: readonly JsonSchema[];
	readonly oneOf?: readonly JsonSchema[];
	readonly enum?: readonly unknown[];
	readonly const?: unknown;
	readonly pattern?: string;
	readonly minLength?: number;
	readonly maxLength?: number;
	readonly minItems?: number;
	readonly maxItems?: number;
	readonly minimum?: number;
	readonly maximum?: number;
}

/** Long enough to matter, short enough for many tries. */
const MAX_LENGTH = 80;
const MAX_ITEMS = 4;

/** @param junk out of ten places, in how many something else stands than the schema asks for */
export function fromSchema(schema: JsonSchema, junk = 0): fc.Arbitrary<unknown> {
	const right = rightFor(schema, junk);
	return junk === 0 ? right : fc.oneof({ weight: 10 - junk, arbitrary: right }, { weight: junk, arbitrary: fc.jsonValue() });
}

function rightFor(schema: JsonSchema, junk: number): fc.Arbitrary<unknown> {
	const { properties, required = [], additionalProperties, items = {}, enum: values } = schema;
	const choices = schema.anyOf ?? schema.oneOf;
	if (choices) return fc.oneof(...choices.map((choice) => fromSchema(choice, junk)));
	if (values) return fc.constantFrom(...values);
	if ('const' in schema) return fc.constant(schema.const);
	switch (schema.type) {
		case 'object': {
			const known = Object.fromEntries(Object.entries(properties ?? {}).map(([name, inner]) => [name, fromSchema(inner, junk)]));
			const record = fc.record(known, { requiredKeys: required.filter((name) => name in known), noNullPrototype: true });
			if (typeof additionalProperties !== 'object') return record;
			return fc.tuple(record, fc.dictionary(fc.string(), fromSchema(additionalProperties, junk), { maxKeys: MAX_ITEMS })).map(([one, more]) => ({ ...more, ...one }));
		}
		case 'array':
			return fc.array(fromSchema(items, junk), { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? MAX_ITEMS, Math.max(MAX_ITEMS, schema.minItems ?? 0)) });
		case 'string':
			return text(schema);
		case 'integer':
			return fc.integer({ min: Math.max(schema.minimum ?? -1000, -1_000_000), max: Math.min(schema.maximum ?? 1_000_000, 1_000_000) });
		case 'number':
			return fc.double({ noNaN: true, noDefaultInfinity: true });
		case 'null':
			return fc.constant(null);
		case 'boolean':
			return fc.boolean();
		default:
			return fc.jsonValue();
	}
}

function text({ pattern, minLength = 0, maxLength = MAX_LENGTH }: JsonSchema): fc.Arbitrary<string> {
	const max = Math.max(minLength, Math.min(maxLength, MAX_LENGTH));
	if (pattern === undefined) return fc.oneof(fc.string({ minLength, maxLength: max }), fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/).filter((value) => value.length >= minLength && value.length <= max));
	return fc.stringMatching(new RegExp(pattern));
}
