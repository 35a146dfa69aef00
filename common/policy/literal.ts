/**
 * The smallest conditions that rules are made of, and what follows from several of them together.
 * Only what is certain is said: where it is not, the answer is no.
 */

import { exactly, includes, meet, type Pattern } from './pattern.ts';

interface Signed {
	/** false: the condition is negated */
	readonly holds: boolean;
	/** `principal`, `action`, `resource.image.tag`, … */
	readonly path: string;
}
/** a text, an action, a caller or a type */
export interface Like extends Signed {
	readonly kind: 'like';
	readonly pattern: Pattern;
}
/** a set has this element */
export interface Contains extends Signed {
	readonly kind: 'contains';
	readonly element: string;
}
/** a set has no elements but these */
export interface Within extends Signed {
	readonly kind: 'within';
	readonly elements: readonly string[];
}
/** a condition that is not looked into; `path` is its text */
export interface Opaque extends Signed {
	readonly kind: 'opaque';
}
export type Literal = Like | Contains | Within | Opaque;

/** Literals that hold together. */
export type Conjunction = readonly Literal[];

/** True when the conditions of one path contradict each other, so that nothing can fulfil them all. */
export function isContradiction(conjunction: Conjunction): boolean {
	// One that makes the negation of another certain cannot stand beside it.
	return conjunction.some((literal, index) => follows(conjunction.toSpliced(index, 1), { ...literal, holds: !literal.holds }));
}

/** Does the literal hold wherever the conjunction does? */
export function follows(conjunction: Conjunction, literal: Literal): boolean {
	const facts = conjunction.filter(({ path }) => path === literal.path);
	switch (literal.kind) {
		case 'opaque':
			return facts.some(({ kind, holds }) => kind === 'opaque' && holds === literal.holds);
		case 'like':
			return facts.some((fact) => fact.kind === 'like' && likeFollows(fact, literal));
		case 'contains':
			return literal.holds ? facts.some((fact) => fact.kind === 'contains' && fact.holds && fact.element === literal.element) : isWithout(facts, literal.element);
		case 'within':
			return withinFollows(facts, literal);
	}
}

/** Does every literal of `wide` hold wherever `narrow` does? */
export function implies(narrow: Conjunction, wide: Conjunction): boolean {
	return wide.every((literal) => follows(narrow, literal));
}

function likeFollows(fact: Like, { pattern, holds }: Like): boolean {
	if (fact.holds) return holds ? includes(pattern, fact.pattern) : !meet(pattern, fact.pattern);
	return !holds && includes(fact.pattern, pattern);
}

function isWithout(facts: readonly Literal[], element: string): boolean {
	return facts.some((fact) => (fact.kind === 'contains' && !fact.holds && fact.element === element) || (fact.kind === 'within' && fact.holds && !fact.elements.includes(element)));
}

function withinFollows(facts: readonly Literal[], { elements, holds }: Within): boolean {
	if (holds) {
		return facts.some((fact) => fact.kind === 'within' && fact.holds && fact.elements.every((element) => elements.includes(element) || isWithout(facts, element)));
	}
	return facts.some((fact) => (fact.kind === 'contains' && fact.holds && !elements.includes(fact.element)) || (fact.kind === 'within' && !fact.holds && elements.every((element) => fact.elements.includes(element))));
}

/** `path == value` */
export function equals(path: string, value: string, holds = true): Like {
	return { kind: 'like', path, pattern: exactly(value), holds };
}

/** The text that the pattern stands for, when there is but one. */
export function textOf(pattern: Pattern): string | undefined {
	return pattern.includes(null) ? undefined : pattern.join('');
}
