/**
 * Cedar text as a list of rules, or all that is wrong with it, with lines and columns. Stricter than
 * Cedar: every rule has an id, because refusals name it, and must fit the schema.
 */

import { Buffer } from 'node:buffer';
import { boundsFault } from './bounds.ts';
import { BUILTIN_PREFIX } from './builtin.ts';
import type { Cedar, DetailedError, PolicyJson } from './cedar.ts';
import { SCHEMA } from './schema.ts';

export interface Rule {
	/** from `@id("…")` */
	readonly id: string;
	readonly text: string;
	readonly effect: 'permit' | 'forbid';
	readonly json: PolicyJson;
	/** by its types alone no request can match it */
	readonly isImpossible: boolean;
	/** where it begins, from 1 */
	readonly line: number;
	/** from `@reason("…")` */
	readonly reason?: string;
	/** from `@remedy("…")` */
	readonly remedy?: string;
}

export interface Fault {
	/** from 1 */
	readonly line: number;
	readonly column: number;
	/** one sentence, without a full stop */
	readonly message: string;
}

/** Rules, faults, or both: rules that can be read although others cannot. */
export interface ParsedRules {
	readonly rules: readonly Rule[];
	readonly faults: readonly Fault[];
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * @param text the file
 * @param isBuiltin its ids may begin with `builtin-`
 */
export function parseRules(cedar: Cedar, text: string, isBuiltin = false): ParsedRules {
	const tooMuch = boundsFault(text);
	if (tooMuch) return { rules: [], faults: [{ ...position(text, tooMuch.at), message: tooMuch.message }] };
	const syntax = cedar.checkParsePolicySet({ staticPolicies: text });
	const parts = cedar.policySetTextToParts(text);
	if (parts.type === 'failure') return { rules: [], faults: sorted(parts.errors.flatMap((error) => faultsOf(error, text, 0))) };
	const faults: Fault[] = syntax.type === 'failure' && parts.policy_templates.length === 0 ? syntax.errors.flatMap((error) => faultsOf(error, text, 0)) : [];
	for (const template of parts.policy_templates) faults.push({ ...position(text, text.indexOf(template)), message: 'a template (?principal, ?resource) stands for no rule; write the rule out' });

	const rules = new Map<string, Rule>();
	const starts = new Map<string, number>();
	let from = 0;
	for (const part of inOrder(parts.policies, text)) {
		const start = Math.max(text.indexOf(part, from), 0);
		from = start + part.length;
		const parsed = cedar.policyToJson(part);
		if (parsed.type === 'failure') {
			faults.push(...parsed.errors.flatMap((error) => faultsOf(error, text, start)));
			continue;
		}
		const { id, reason, remedy } = parsed.json.annotations ?? {};
		const where = position(text, start);
		const fault = idFault(id, rules, isBuiltin);
		if (fault !== undefined) faults.push({ ...where, message: fault });
		else rules.set(id!, { isImpossible: false, id: id!, text: part, effect: parsed.json.effect, json: parsed.json, line: where.line, ...(reason && { reason }), ...(remedy && { remedy }) });
		starts.set(part, start);
	}
	const validated = validate(cedar, [...starts.keys()]);
	for (const [part, error] of validated.errors) faults.push(fromError(error, text, starts.get(part)!));
	const impossible = new Set(validated.warnings.filter(([, { message }]) => message.includes('policy is impossible')).map(([part]) => part));
	return { rules: [...rules.values()].map((rule) => ({ ...rule, isImpossible: impossible.has(rule.text) })), faults: sorted(faults) };
}

function idFault(id: string | undefined, rules: ReadonlyMap<string, Rule>, isBuiltin: boolean): string | undefined {
	if (id === undefined) return 'the rule has no id; put @id("NAME") before it: refusals name it';
	if (!ID.test(id)) return `the id "${id}" is not accepted; use letters, digits, "-", "_" and "."`;
	if (!isBuiltin && id.startsWith(BUILTIN_PREFIX)) return `ids that begin with "${BUILTIN_PREFIX}" belong to the built-in rules; choose another one`;
	const other = rules.get(id);
	return other && `the id "${id}" is taken by the rule of line ${other.line}; choose another one`;
}

type OfRule = readonly [text: string, error: DetailedError];

/** All at once: reading the schema takes longest. */
function validate(cedar: Cedar, texts: readonly string[]): { errors: OfRule[]; warnings: OfRule[] } {
	const answer = cedar.validate({ schema: SCHEMA, policies: { staticPolicies: Object.fromEntries(texts.map((text, index) => [`rule${index}`, text])) } });
	if (answer.type === 'failure') throw new Error(`Cedar does not take what it took before: ${answer.errors.map(({ message }) => message).join('; ')}`);
	const ofRule = ({ policyId, error }: { policyId: string; error: DetailedError }): OfRule => [texts[Number(policyId.slice(4))]!, error];
	return { errors: answer.validationErrors.map(ofRule), warnings: answer.validationWarnings.map(ofRule) };
}

/** Cedar hands the rules out sorted by numbers of its own as text: 0, 1, 10, 2. */
function inOrder(parts: readonly string[], text: string): string[] {
	const numbers = parts.map((_, index) => index).sort((a, b) => (String(a) < String(b) ? -1 : 1));
	const ordered: string[] = [];
	for (const [place, number] of numbers.entries()) ordered[number] = parts[place]!;
	return ordered.every((part) => text.includes(part)) ? ordered : [...parts];
}

/** An error and those that Cedar found beside it. */
function faultsOf(error: DetailedError, text: string, offset: number): Fault[] {
	return [fromError(error, text, offset), ...(error.related ?? []).flatMap((other) => faultsOf(other, text, offset))];
}

/** @param offset where the text that Cedar read begins, in characters; Cedar counts bytes */
function fromError({ message, help, sourceLocations }: DetailedError, text: string, offset: number): Fault {
	const [location] = sourceLocations ?? [];
	const bytes = Buffer.from(text.slice(offset));
	const at = offset + bytes.subarray(0, location?.start ?? 0).toString().length;
	const sentence = message.replace(/^failed to parse polic(?:y|ies) from string: /, '').replace(/^for policy `[^`]*`, /, '');
	const more = [location?.label, help?.replace(/^for policy `[^`]*`, /, '')].filter(Boolean);
	return { ...position(text, at), message: [sentence, ...more].join('; ') };
}

function position(text: string, at: number): { line: number; column: number } {
	const before = text.slice(0, Math.max(at, 0)).split('\n');
	return { line: before.length, column: before.at(-1)!.length + 1 };
}

function sorted(faults: readonly Fault[]): Fault[] {
	return faults.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
