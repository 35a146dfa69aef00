/**
 * Templates by which a profile makes DNS names and SPIFFE paths out of what was authorized:
 * `{commonName}.{organizationalUnit}.svc.example.com`, `/{organization}/{organizationalUnit}/{commonName}`.
 *
 * Different authorizations must never lead to the same name: so what stands beside something else in
 * a DNS name is a single label, no label has two values, and a segment of a path is either text or one value.
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
const PLACEHOLDER = /\{([^{}]*)\}/g;
const LONE = /^\{[^{}]*\}$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;
/** First segment of the identities of Birthmark's own parts, see `identity.ts`. */
const RESERVED_SEGMENT = 'birthmark';

/** @throws Error that says what is wrong, for a configuration */
export function checkDnsTemplate(template: string): void {
	checkPlaceholders(template);
	// "a-b" and "c" would look like "a" and "b-c".
	if (template.split('.').some((part) => [...part.matchAll(PLACEHOLDER)].length > 1)) throw new Error('has two placeholders in one label: put a "." between them');
	checkDnsName(template.replaceAll(PLACEHOLDER, 'x'));
}

/** @throws Error that says what is wrong, for a configuration */
export function checkPathTemplate(template: string): void {
	checkPlaceholders(template);
	const [start, ...segments] = template.split('/');
	if (start !== '' || segments.length === 0) throw new Error('does not begin with "/"');
	for (const segment of segments) {
		if (LONE.test(segment)) continue;
		if (!SEGMENT.test(segment) || segment === '.' || segment === '..') throw new Error('has a segment that is neither one placeholder nor letters, digits, ".", "_" and "-"');
	}
	if (!segments.includes('{commonName}')) throw new Error('has no segment {commonName}: all instances would be the same');
	if (segments[0]!.toLowerCase().startsWith(RESERVED_SEGMENT)) throw new Error(`begins with "${RESERVED_SEGMENT}", which is reserved`);
}

/** @throws BirthmarkError `name-illegal` when what comes out is no host name, or could have come from other values too */
export function expandDnsTemplate(template: string, values: TemplateValues): string {
	const isCompound = !LONE.test(template);
	const name = expand(template, values, (key, value) => {
		if (isCompound && key !== 'trustDomain' && !LABEL.test(value)) {
			throw new BirthmarkError('name-illegal', `${quote(value)} cannot be part of a DNS name of this profile (${template}): use lower-case letters, digits and "-"`);
		}
	});
	return checkDnsName(name);
}

/** @returns the segments of the path */
export function expandPathTemplate(template: string, values: TemplateValues): string[] {
	return template.split('/').slice(1).map((segment) => expand(segment, values));
}

function expand(template: string, values: TemplateValues, check: (key: string, value: string) => void = () => undefined): string {
	return template.replaceAll(PLACEHOLDER, (_, key: keyof TemplateValues) => {
		check(key, values[key]);
		return values[key];
	});
}

function checkPlaceholders(template: string): void {
	for (const [, key] of template.matchAll(PLACEHOLDER)) {
		if (!(VALUES as readonly string[]).includes(key!)) throw new Error(`has {${key}}; there are ${VALUES.map((value) => `{${value}}`).join(', ')}`);
	}
}
