/** Values that an attribute never has, so that a rule that waits for one waits for ever. */

import { checkDnsName, checkName } from '#common/protocol/names.ts';
import { textOf, type Contains, type Like, type Literal } from './literal.ts';
import { showPattern, type Pattern } from './pattern.ts';
import { pathFact } from './spelling.ts';

interface Domain {
	/** may this be the whole value? */
	readonly takes: (value: string) => boolean;
	/** characters that a value may have */
	readonly characters?: RegExp;
	readonly hint: string;
}

const HOST_NAME = /^[a-z0-9.-]$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const orEmpty = (takes: (value: string) => boolean) => (value: string): boolean => value === '' || takes(value);

/** The attributes of which something is known. Those of names are empty for containers without an identity. */
const DOMAINS: Readonly<Record<string, Domain>> = {
	'resource.cn': { takes: orEmpty((value) => accepts(() => checkName('common name', value))), characters: HOST_NAME, hint: 'common names are host names in lower case' },
	'resource.ou': { takes: orEmpty((value) => accepts(() => checkName('role', value))), characters: /^[A-Za-z0-9._-]$/, hint: 'roles have letters, digits, "-", "_" and "."' },
	'resource.dns': { takes: (value) => accepts(() => checkDnsName(value)), hint: 'DNS names are host names in lower case' },
	'resource.image.repository': { takes: (value) => !/^(?:(?:index\.)?docker\.io\/|library\/)/.test(value) && !/@|:[^/]*$/.test(value), characters: /^[A-Za-z0-9._:/[\]-]$/, hint: 'repositories stand in their short form and without tag' },
	'resource.image.id': { takes: orEmpty((value) => DIGEST.test(value)), characters: /^[a-z0-9:]$/, hint: 'write sha256: and 64 digits' },
	'resource.image.digests': { takes: (value) => DIGEST.test(value), hint: 'write sha256: and 64 digits' },
	'resource.user': { takes: (value) => value !== '' && !/^[+-]?0+$/.test(value) && !value.includes(':'), hint: 'the user stands without its group, and 0 is root' },
	'resource.network': { takes: (value) => value !== '', hint: 'where none is named it is "default"' },
	'resource.networks': { takes: (value) => value !== '', hint: 'where none is named it is "default"' },
	'resource.binds': { takes: (value) => value === pathFact(value), hint: 'paths begin with "/", have no "//", "." and "..", and end without a slash; others are volumes' },
	'resource.volumes': { takes: (value) => value !== '' && !value.startsWith('/'), hint: 'what begins with "/" is in binds' },
	'resource.capabilities': { takes: (value) => value === value.toUpperCase() && !value.startsWith('CAP_'), hint: 'capabilities stand in upper case, without CAP_' },
};

/** @returns why nothing fulfils the literal; undefined when something may */
export function whyImpossible(literal: Literal): string | undefined {
	const domain = literal.holds ? DOMAINS[literal.path] : undefined;
	if (!domain) return undefined;
	if (literal.kind === 'contains') return impossibleElement(literal, domain);
	return literal.kind === 'like' ? impossibleText(literal, domain) : undefined;
}

function impossibleElement({ path, element }: Contains, { takes, hint }: Domain): string | undefined {
	return takes(element) ? undefined : `${path} never contains "${element}": ${hint}`;
}

function impossibleText({ path, pattern }: Like, { takes, characters, hint }: Domain): string | undefined {
	const text = textOf(pattern);
	const possible = text === undefined ? hasOnly(pattern, characters) : takes(text);
	return possible ? undefined : `${path} is never "${showPattern(pattern)}": ${hint}`;
}

function hasOnly(pattern: Pattern, characters: RegExp | undefined): boolean {
	return characters === undefined || pattern.every((element) => element === null || characters.test(element));
}

function accepts(check: () => unknown): boolean {
	try {
		check();
		return true;
	} catch {
		return false;
	}
}
