/**
 * Reads the Compose files of the documentation, so that tests start what users are told to start. Of
 * YAML only what these files use: block mappings, lists of scalars, comments; anything else is an error.
 */

import { readFileSync } from 'node:fs';

export interface ComposeService {
	readonly image: string;
	readonly environment: Readonly<Record<string, string>>;
	readonly ports: readonly string[];
	readonly volumes: readonly string[];
}

type Value = string | string[] | { [key: string]: Value };

interface Line {
	readonly indent: number;
	readonly text: string;
}

/** @param variables for `${NAME}`; one that is missing is an error, as `${NAME:?…}` makes it one for Compose */
export function readComposeServices(path: string, variables: Readonly<Record<string, string>>): Readonly<Record<string, ComposeService>> {
	const lines = readFileSync(path, 'utf8').split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('#'));
	const file = mapping(lines.map((line) => ({ indent: line.length - line.trimStart().length, text: substitute(line.trim(), variables) })));
	const services = file['services'] as Record<string, Record<string, Value>>;
	return Object.fromEntries(Object.entries(services).map(([name, service]) => [name, {
		image: service['image'] as string,
		environment: (service['environment'] ?? {}) as Record<string, string>,
		ports: (service['ports'] ?? []) as string[],
		volumes: (service['volumes'] ?? []) as string[],
	}]));
}

function substitute(text: string, variables: Readonly<Record<string, string>>): string {
	return text.replace(/\$\{([A-Z_]+)(?::\?[^}]*)?\}/g, (_, name: string) => {
		const value = variables[name];
		if (value === undefined) throw new Error(`the variable ${name} is not set`);
		return value;
	});
}

function mapping(lines: readonly Line[]): { [key: string]: Value } {
	const result: { [key: string]: Value } = {};
	for (let at = 0; at < lines.length;) {
		const { indent, text } = lines[at]!;
		const match = /^([A-Za-z0-9_-]+):(?: (.*))?$/.exec(text);
		if (!match || indent !== lines[0]!.indent) throw new Error(`this reader does not know what to make of: ${text}`);
		let end = at + 1;
		while (end < lines.length && lines[end]!.indent > indent) end++;
		const inner = lines.slice(at + 1, end);
		if (match[2] !== undefined && inner.length > 0) throw new Error(`a value and a block: ${text}`);
		result[match[1]!] = match[2] !== undefined ? scalar(match[2]) : inner[0]?.text.startsWith('- ') ? inner.map(item) : mapping(inner);
		at = end;
	}
	return result;
}

function item({ text }: Line): string {
	if (!text.startsWith('- ')) throw new Error(`no item of a list: ${text}`);
	return scalar(text.slice(2));
}

/** Plain, or in double quotes without escapes. */
function scalar(text: string): string {
	const quoted = /^"([^"\\]*)"$/.exec(text);
	if (!quoted && /^[&*!|>'"{[%@`]/.test(text)) throw new Error(`this reader does not know what to make of: ${text}`);
	return quoted ? quoted[1]! : text;
}
