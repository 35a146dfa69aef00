/**
 * Reads the Compose files of the documentation, so that tests start what users are told to start. Of
 * YAML only what these files use: block mappings, lists of scalars, comments; anything else is an error.
 */

import { readFileSync } from 'node:fs';

export interface ComposeService {
	readonly image: string;
	/** the image's own when absent */
	readonly command: readonly string[] | undefined;
	/** the image's own when absent */
	readonly user: string | undefined;
	/** the engine's default when absent */
	readonly runtime: string | undefined;
	readonly labels: Readonly<Record<string, string>>;
	readonly environment: Readonly<Record<string, string>>;
	readonly ports: readonly string[];
	/** `name:path` or `./path:path`, with `:ro` or without */
	readonly volumes: readonly string[];
	/** `no` where the file says nothing */
	readonly restart: string;
	readonly readOnly: boolean;
	readonly capDrop: readonly string[];
	/** in the form of the engine, e.g. `no-new-privileges:true` */
	readonly securityOptions: readonly string[];
}

/** A key that nobody carries out would be a promise that nobody tests. */
const KEYS = ['image', 'command', 'user', 'runtime', 'labels', 'environment', 'ports', 'volumes', 'restart', 'read_only', 'cap_drop', 'security_opt'];

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
	const declared = Object.keys(file['volumes'] ?? {});
	return Object.fromEntries(Object.entries(services).map(([name, service]) => {
		const unknown = Object.keys(service).find((key) => !KEYS.includes(key));
		if (unknown !== undefined) throw new Error(`this reader does not know ${unknown} of ${name}`);
		const volumes = (service['volumes'] ?? []) as string[];
		const undeclared = volumes.map((volume) => volume.split(':')[0]!).find((source) => !source.startsWith('.') && !declared.includes(source));
		if (undeclared !== undefined) throw new Error(`${name} has the volume ${undeclared}, which is not among the volumes of the file`);
		return [name, {
			image: service['image'] as string,
			command: service['command'] as string[] | undefined,
			user: service['user'] as string | undefined,
			runtime: service['runtime'] as string | undefined,
			labels: (service['labels'] ?? {}) as Record<string, string>,
			environment: (service['environment'] ?? {}) as Record<string, string>,
			ports: (service['ports'] ?? []) as string[],
			volumes,
			restart: (service['restart'] ?? 'no') as string,
			readOnly: service['read_only'] === 'true',
			capDrop: (service['cap_drop'] ?? []) as string[],
			securityOptions: (service['security_opt'] ?? []) as string[],
		}];
	}));
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
		const match = /^([A-Za-z0-9_.-]+):(?: (.*))?$/.exec(text);
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
