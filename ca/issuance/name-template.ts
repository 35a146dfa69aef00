/**
 * Templates by which a profile makes DNS names and SPIFFE paths out of what was authorized:
 * `{commonName}.{organizationalUnit}.svc.example.com`, `/{organization}/{organizationalUnit}/{commonName}`.
 *
 * Different authorizations must never lead to the same name: so what stands beside something else in
 * a DNS name is a single label, no label has two values, a segment of a path is either text or one value,
 * and what a template makes for one nobody else is given, by another template or because it was
 * authorized by itself. A template that is one variable alone makes what can be authorized anyway.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkDnsName, quote } from '#common/protocol/names.ts';

export interface TemplateValues {
	readonly commonName: string;
	readonly organizationalUnit: string;
	readonly organization: string;
	readonly trustDomain: string;
}

const VALUES = ['commonName', 'organizationalUnit', 'organization', 'trustDomain'] as const;
const VARIABLE = /\{([^{}]*)\}/g;
const LONE = /^\{[^{}]*\}$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;
/** First segment of the identities of Birthmark's own parts, see `identity.ts`. */
const RESERVED_SEGMENT = 'birthmark';

/** Values that no two variables have in common. */
const SAMPLE: TemplateValues = { commonName: 'x1', organizationalUnit: 'x2', organization: 'x3', trustDomain: 'x4.x5' };

/** @throws Error that says what is wrong, for a configuration */
export function checkDnsTemplate(template: string): void {
	checkVariables(template);
	// "a-b" and "c" would look like "a" and "b-c".
	if (template.split('.').some((part) => [...part.matchAll(VARIABLE)].length > 1)) throw new Error('has two variables in one label: put a "." between them');
	checkDnsName(template.replaceAll(VARIABLE, 'x'));
}

/** @returns the first other template that makes the names of this one of other values; undefined when none does */
export function findOverlap(template: string, templates: readonly string[]): string | undefined {
	if (LONE.test(template)) return undefined;
	const name = expand(template, SAMPLE);
	return templates.find((other) => other !== template && patternOf(other, SAMPLE.trustDomain)?.test(name));
}

/** Whether two templates of SPIFFE paths can make one path of different instances or roles. */
export function canPathsMeet(one: string, other: string): boolean {
	const [segments, others] = [one.split('/'), other.split('/')];
	if (segments.length !== others.length) return false;
	const pairs = segments.map((segment, index) => [segment, others[index]!]).filter(([segment, beside]) => segment !== beside);
	const areAnything = pairs.every((pair) => pair.some((segment) => LONE.test(segment)));
	// Environment and trust domain are the same for all.
	return areAnything && pairs.some((pair) => pair.includes('{commonName}') || pair.includes('{organizationalUnit}'));
}

/** @throws Error that says what is wrong, for a configuration */
export function checkPathTemplate(template: string): void {
	checkVariables(template);
	const [start, ...segments] = template.split('/');
	if (start !== '' || segments.length === 0) throw new Error('does not begin with "/"');
	for (const segment of segments) {
		if (LONE.test(segment)) continue;
		if (!SEGMENT.test(segment) || segment === '.' || segment === '..') throw new Error('has a segment that is neither one variable nor letters, digits, ".", "_" and "-"');
	}
	if (!segments.includes('{commonName}')) throw new Error('has no segment {commonName}: all instances would be the same');
	if (segments[0]!.toLowerCase().startsWith(RESERVED_SEGMENT)) throw new Error(`begins with "${RESERVED_SEGMENT}", which is reserved`);
}

/**
 * @param authorized further names
 * @returns the names that the templates make, then those that were authorized
 * @throws BirthmarkError `name-illegal` when a template makes no host name, or one that it could have made of other values too
 * @throws BirthmarkError `name-not-allowed` when a template makes one of these names of other values
 */
export function expandDnsTemplates(templates: readonly string[], values: TemplateValues, authorized: readonly string[]): string[] {
	const made = templates.map((template) => expandDnsTemplate(template, values));
	const names = [...new Set([...made, ...authorized])];
	for (const [index, template] of templates.entries()) {
		const pattern = patternOf(template, values.trustDomain);
		const name = pattern && names.find((candidate) => candidate !== made[index] && pattern.test(candidate));
		if (name !== undefined) throw new BirthmarkError('name-not-allowed', `the DNS name ${quote(name)} belongs to others, who get it by their own names (${template} of the profile)`);
	}
	return names;
}

/** @throws BirthmarkError `name-illegal` */
export function expandDnsTemplate(template: string, values: TemplateValues): string {
	const isCompound = !LONE.test(template);
	const name = expand(template, values, (key, value) => {
		if (isCompound && key !== 'trustDomain' && !LABEL.test(value)) {
			throw new BirthmarkError('name-illegal', `${quote(value)} cannot be part of a DNS name of this profile (${template}): use lower-case letters, digits and "-"`);
		}
	});
	return checkDnsName(name);
}

/**
 * @returns the segments of the path
 * @throws BirthmarkError `name-illegal` when it is one of Birthmark's own parts'
 */
export function expandPathTemplate(template: string, values: TemplateValues): string[] {
	const segments = template.split('/').slice(1).map((segment) => expand(segment, values));
	// A trust domain may be called so; names may not.
	if (segments[0] === RESERVED_SEGMENT) throw new BirthmarkError('name-illegal', `the SPIFFE IDs of this profile (${template}) would be those of the parts of Birthmark`);
	return segments;
}

function expand(template: string, values: TemplateValues, check: (key: string, value: string) => void = () => undefined): string {
	return template.replaceAll(VARIABLE, (_, key: keyof TemplateValues) => {
		check(key, values[key]);
		return values[key];
	});
}

/** Everything that a DNS template makes; undefined for one variable alone. */
function patternOf(template: string, trustDomain: string): RegExp | undefined {
	if (LONE.test(template)) return undefined;
	const texts = template.replaceAll('{trustDomain}', trustDomain).split(/\{[^{}]*\}/);
	return new RegExp(`^${texts.map((text) => RegExp.escape(text)).join('[a-z0-9-]+')}$`);
}

function checkVariables(template: string): void {
	for (const [, key] of template.matchAll(VARIABLE)) {
		if (!(VALUES as readonly string[]).includes(key!)) throw new Error(`has {${key}}; there are ${VALUES.map((value) => `{${value}}`).join(', ')}`);
	}
}
