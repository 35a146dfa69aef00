/**
 * A rule's conditions as a disjunction of conjunctions of literals (literal.ts): it matches a request
 * exactly when all literals of one conjunction hold. Read from Cedar's JSON form of policies
 * (docs.cedarpolicy.com/policies/json-format.html).
 */

import type { Expr, PolicyJson } from './cedar.ts';
import { equals, type Conjunction, type Literal } from './literal.ts';
import { toPattern } from './pattern.ts';
import { ACTIONS, type PolicyAction } from './request.ts';

export interface NormalForm {
	readonly conjunctions: readonly Conjunction[];
	/** can evaluating it fail, e.g. in arithmetic? Cedar passes over a rule that fails. */
	readonly mayFail: boolean;
}

/** Beyond this nothing is said about a rule. */
const MAX_CONJUNCTIONS = 256;
const ALWAYS: Conjunction[] = [[]];
const NEVER: Conjunction[] = [];
/** What cannot fail once the types are right. */
const SAFE = /^(?:Value|Var|!|==|!=|in|&&|\|\||contains|containsAll|containsAny|isEmpty|\.|has|like|is|if-then-else|Set|Record|<|<=|>|>=)$/;

/** @returns undefined when it would be too long */
export function normalForm({ principal, action, resource, conditions }: PolicyJson): NormalForm | undefined {
	const scope = [scopeOf('principal', principal), scopeOf('action', action), scopeOf('resource', resource)];
	const clauses = conditions.map(({ kind, body }) => expand(body, kind === 'when'));
	const conjunctions = [...scope, ...clauses].reduce<Conjunction[] | undefined>(both, ALWAYS);
	return conjunctions && { conjunctions: conjunctions.map(withTypes), mayFail: conditions.some(({ body }) => !isSafe(body)) };
}

type Constraint = PolicyJson['principal'] | PolicyJson['action'] | PolicyJson['resource'];

function scopeOf(path: string, constraint: Constraint): Conjunction[] | undefined {
	switch (constraint.op) {
		case 'All':
			return ALWAYS;
		case '==':
			return 'entity' in constraint ? [[isEntity(path, constraint.entity, true)]] : undefined;
		case 'in': {
			if ('slot' in constraint) return undefined;
			const entities = 'entities' in constraint ? constraint.entities : [constraint.entity];
			return entities.map((entity) => [isEntity(path, entity, true)]);
		}
		case 'is':
			// Nothing here is in anything else, so `is T in E` is `is T`, and E itself.
			if (constraint.in) return undefined;
			return [[equals(`${path} is`, constraint.entity_type)]];
	}
}

function expand(expression: Expr, holds: boolean): Conjunction[] | undefined {
	const [[operator, operand]] = Object.entries(expression) as [[string, never]];
	const { left, right, arg } = operand as { left: Expr; right: Expr; arg: Expr };
	switch (operator) {
		case 'Value':
			return (operand as unknown) === holds ? ALWAYS : NEVER;
		case '!':
			return expand(arg, !holds);
		case '&&':
			return holds ? both(expand(left, true), expand(right, true)) : either(expand(left, false), expand(right, false));
		case '||':
			return holds ? either(expand(left, true), expand(right, true)) : both(expand(left, false), expand(right, false));
		case 'if-then-else': {
			const { if: test, then, else: otherwise } = operand as { if: Expr; then: Expr; else: Expr };
			return either(both(expand(test, true), expand(then, holds)), both(expand(test, false), expand(otherwise, holds)));
		}
		default:
			return combine(atom(operator, operand), holds) ?? [[{ kind: 'opaque', path: JSON.stringify(expression), holds }]];
	}
}

/** Literals that hold all together (`all`) or of which one does; undefined for what is not looked into. */
type Atom = { readonly all: readonly Literal[] } | { readonly any: readonly Literal[] } | undefined;

function combine(found: Atom, holds: boolean): Conjunction[] | undefined {
	if (!found) return undefined;
	const literals = 'all' in found ? found.all : found.any;
	const signed = literals.map((literal) => ({ ...literal, holds: literal.holds === holds }));
	return 'all' in found === holds ? [signed] : signed.map((literal) => [literal]);
}

function atom(operator: string, operand: never): Atom {
	const { left, right, arg, pattern, entity_type: type, in: within } = operand as { left: Expr; right: Expr; arg: Expr; pattern: Parameters<typeof toPattern>[0]; entity_type: string; in?: Expr };
	const path = left && pathOf(left);
	switch (operator) {
		case '==':
			return equality(left, right) ?? equality(right, left);
		case '!=': {
			const same = equality(left, right) ?? equality(right, left);
			if (!same) return undefined;
			const literals = ('all' in same ? same.all : same.any).map((literal) => ({ ...literal, holds: !literal.holds }));
			return 'all' in same ? { any: literals } : { all: literals };
		}
		case 'like':
			return path === undefined ? undefined : { all: [{ kind: 'like', path, pattern: toPattern(pattern), holds: true }] };
		case 'is':
			return path === undefined || within ? undefined : { all: [equals(`${path} is`, type)] };
		case 'in': {
			const entities = entitiesOf(right);
			return path === undefined || !entities ? undefined : { any: entities.map((entity) => isEntity(path, entity, true)) };
		}
		case 'contains': {
			const text = textOf(right);
			if (path !== undefined && text !== undefined) return { all: [{ kind: 'contains', path, element: text, holds: true }] };
			const [list, value] = [listOf(left), pathOf(right)];
			return list && value !== undefined ? { any: list.map((item) => equals(value, item)) } : undefined;
		}
		case 'containsAll': {
			const [list, inner] = [listOf(right), pathOf(right)];
			if (path !== undefined && list) return { all: list.map((element) => ({ kind: 'contains', path, element, holds: true })) };
			const elements = listOf(left);
			return elements && inner !== undefined ? { all: [{ kind: 'within', path: inner, elements, holds: true }] } : undefined;
		}
		case 'containsAny': {
			const [set, list] = path === undefined ? [pathOf(right), listOf(left)] : [path, listOf(right)];
			return set !== undefined && list ? { any: list.map((element) => ({ kind: 'contains', path: set, element, holds: true })) } : undefined;
		}
		case 'isEmpty': {
			const set = pathOf(arg);
			return set === undefined ? undefined : { all: [{ kind: 'within', path: set, elements: [], holds: true }] };
		}
		default:
			return undefined;
	}
}

function equality(left: Expr, right: Expr): Atom {
	const path = pathOf(left);
	if (path === undefined) return undefined;
	const text = textOf(right);
	if (text !== undefined) return { all: [equals(path, text)] };
	const [entity] = entitiesOf(right) ?? [];
	if (entity !== undefined && !('Set' in right)) return { all: [isEntity(path, entity, true)] };
	const elements = listOf(right);
	return elements && { all: [{ kind: 'within', path, elements, holds: true }, ...elements.map((element): Literal => ({ kind: 'contains', path, element, holds: true }))] };
}

/** `resource.image.tag`; a caller's name is the caller. */
function pathOf(expression: Expr): string | undefined {
	if ('Var' in expression && typeof expression.Var === 'string') return expression.Var;
	if (!('.' in expression)) return undefined;
	const { left, attr } = expression['.'] as { left: Expr; attr: string };
	const inner = pathOf(left);
	if (inner === undefined) return undefined;
	return inner === 'principal' && attr === 'name' ? 'principal' : `${inner}.${attr}`;
}

function textOf(expression: Expr): string | undefined {
	return 'Value' in expression && typeof expression.Value === 'string' ? expression.Value : undefined;
}

function listOf(expression: Expr): string[] | undefined {
	const texts = 'Set' in expression ? (expression.Set as Expr[]).map(textOf) : 'Value' in expression && Array.isArray(expression.Value) ? expression.Value : undefined;
	return texts?.every((text) => typeof text === 'string') ? (texts as string[]) : undefined;
}

type Entity = { readonly type: string; readonly id: string } | { readonly __entity: { readonly type: string; readonly id: string } };

function entitiesOf(expression: Expr): Entity[] | undefined {
	if ('Set' in expression) {
		const inner = (expression.Set as Expr[]).map(entitiesOf);
		return inner.every((entities) => entities?.length === 1) ? inner.flatMap((entities) => entities!) : undefined;
	}
	const value = 'Value' in expression ? expression.Value : undefined;
	return typeof value === 'object' && value !== null && '__entity' in value ? [value as Entity] : undefined;
}

/** Callers and actions have but one type each; other things are told apart by theirs as well. */
function isEntity(path: string, entity: Entity, holds: boolean): Literal {
	const { type, id } = '__entity' in entity ? entity.__entity : entity;
	return equals(path, path === 'principal' || path === 'action' ? id : `${type}::${id}`, holds);
}

/** The action says what it is done to. */
function withTypes(conjunction: Conjunction): Conjunction {
	const actions = Object.keys(ACTIONS).filter((action) => conjunction.some((literal) => literal.kind === 'like' && literal.path === 'action' && literal.holds && literal.pattern.join('') === action));
	return [...conjunction, ...actions.map((action) => equals('resource is', ACTIONS[action as PolicyAction].resource))];
}

function both(one: Conjunction[] | undefined, other: Conjunction[] | undefined): Conjunction[] | undefined {
	if (!one || !other || one.length * other.length > MAX_CONJUNCTIONS) return undefined;
	return one.flatMap((left) => other.map((right) => [...left, ...right]));
}

function either(one: Conjunction[] | undefined, other: Conjunction[] | undefined): Conjunction[] | undefined {
	return one && other && one.length + other.length <= MAX_CONJUNCTIONS ? [...one, ...other] : undefined;
}

function isSafe(expression: unknown): boolean {
	if (Array.isArray(expression)) return expression.every(isSafe);
	if (typeof expression !== 'object' || expression === null) return true;
	return Object.entries(expression).every(([key, inner]) => (SAFE.test(key) ? key === 'Value' || isSafe(inner) : ['left', 'right', 'arg', 'if', 'then', 'else'].includes(key) ? isSafe(inner) : ['attr', 'pattern', 'entity_type'].includes(key)));
}
