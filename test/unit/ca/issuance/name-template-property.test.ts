/** Names by template: what holds for every template and every authorization. */

import test from 'ava';
import { equal, notEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkDnsName } from '#common/protocol/names.ts';
import { spiffeId } from '#common/protocol/spiffe-id.ts';
import { checkDnsTemplate, checkPathTemplate, expandDnsTemplate, expandPathTemplate, type TemplateValues } from '../../../../ca/issuance/name-template.ts';
import { holds } from '../../../support/property.ts';

/** Few and alike, so that collisions would be found. */
const label = fc.stringMatching(/^[ab]([ab-]{0,3}[ab])?$/);
const name = fc.oneof(label, fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')));
const values: fc.Arbitrary<TemplateValues> = fc.record({ commonName: name, organizationalUnit: name, organization: name, trustDomain: fc.constant('t.internal') }, { noNullPrototype: true });
const variable = fc.constantFrom('{commonName}', '{organizationalUnit}', '{organization}', '{trustDomain}');
const part = fc.oneof({ weight: 3, arbitrary: variable }, { weight: 2, arbitrary: fc.constantFrom('-', '.', 'a', 'x', 'svc', '--') }, { weight: 1, arbitrary: fc.string({ maxLength: 3 }) });

function accepted(check: () => void): boolean {
	try {
		check();
		return true;
	} catch (error) {
		ok(error instanceof Error && error.message.length > 0);
		return false;
	}
}

function attempt<T>(work: () => T): T | undefined {
	try {
		return work();
	} catch (error) {
		ok(error instanceof BirthmarkError && error.code === 'name-illegal', String(error));
		return undefined;
	}
}

/** What the template takes from an authorization. */
function used(template: string, of: TemplateValues): string {
	return JSON.stringify((['commonName', 'organizationalUnit', 'organization'] as const).filter((key) => template.includes(`{${key}}`)).map((key) => of[key]));
}

test('a DNS name by template is a legal one, and two authorizations that it tells apart never get the same', (t) => {
	const likely = fc.constantFrom('{commonName}', '{commonName}-{organizationalUnit}', '{commonName}.{organizationalUnit}', '{organizationalUnit}.{commonName}.svc', 'x-{commonName}.{organization}');
	const dns = fc.oneof(likely, fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''))).filter((template) => accepted(() => checkDnsTemplate(template)));
	holds(t, 5000, fc.property(dns, values, values, (template, one, other) => {
		const [first, second] = [one, other].map((of) => attempt(() => expandDnsTemplate(template, of)));
		if (first !== undefined) equal(checkDnsName(first), first);
		if (first !== undefined && second !== undefined && used(template, one) !== used(template, other)) notEqual(first, second);
	}));
});

test('two values in one label are refused: which is which could not be told', (t) => {
	for (const template of ['{commonName}-{organizationalUnit}', '{commonName}{organization}.svc']) t.throws(() => checkDnsTemplate(template), { message: /two variables/ });
});

test('a SPIFFE path by template makes a SPIFFE ID, and two authorizations that it tells apart never get the same', (t) => {
	const segment = fc.oneof(variable, fc.constantFrom('svc', '.', '..', '', 'a{commonName}', 'birthmark'), fc.string({ maxLength: 4 }));
	const path = fc.array(segment, { maxLength: 4 }).chain((segments) => fc.constantFrom(segments, ['{commonName}', ...segments])).map((segments) => `/${segments.join('/')}`).filter((template) => accepted(() => checkPathTemplate(template)));
	holds(t, 3000, fc.property(path, values, values, (template, one, other) => {
		const [first, second] = [one, other].map((of) => spiffeId('t.internal', expandPathTemplate(template, of)));
		if (used(template, one) !== used(template, other)) notEqual(first, second);
	}));
});
