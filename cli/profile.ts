/**
 * How this operator reaches the CA: over the admin socket in the CA's own state directory (whoever
 * may open it is an operator), or over mutual TLS with a certificate got by `birthmark login`.
 */

import { mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { parseCaUrls } from '#common/protocol/ca-urls.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';
import { parseConfig } from '#common/runtime/config.ts';

export type Profile =
	| { readonly way: 'socket'; readonly path: string }
	| TlsProfile;

export interface TlsProfile {
	readonly way: 'tls';
	/** of the CA's instances, in the order in which to ask them; at least one */
	readonly urls: readonly string[];
	/** PEM; so are the next two */
	readonly key: string;
	readonly certificate: string;
	readonly bundle: string;
}

const login = { key: z.string(), certificate: z.string(), bundle: z.string() };
const urlSchema = z.string().refine((text) => parseCaUrls(text)?.length === 1, 'is not like https://ca.example:33004');
/** Version 1 knew one URL. */
const savedSchema = z.discriminatedUnion('version', [
	z.strictObject({ version: z.literal(1), url: urlSchema, ...login }).transform(({ url, ...rest }) => ({ ...rest, urls: [url] })),
	z.strictObject({ version: z.literal(2), urls: z.array(urlSchema).min(1), ...login }),
]);

/** `$BIRTHMARK_HOME`, else `$XDG_CONFIG_HOME/birthmark`, else `~/.config/birthmark`. */
export function profileDirectory(environment: NodeJS.ProcessEnv = process.env): string {
	const { BIRTHMARK_HOME: own, XDG_CONFIG_HOME: shared } = environment;
	if (own) return own;
	// Empty or relative, the XDG specification wants it ignored: a login is not taken from wherever one happens to be.
	return join(shared && isAbsolute(shared) ? shared : join(homedir(), '.config'), 'birthmark');
}

/**
 * @param socket path from `--ca-socket`; `$BIRTHMARK_CA_SOCKET` when absent
 * @throws BirthmarkError `unauthenticated` when there is neither a socket nor a login, `config-invalid` for a login that cannot be used
 */
export function loadProfile(socket: string | undefined, environment: NodeJS.ProcessEnv = process.env): Profile {
	const path = socket ?? environment['BIRTHMARK_CA_SOCKET'];
	if (path !== undefined && path !== '') return { way: 'socket', path };
	const file = join(profileDirectory(environment), 'operator.json');
	const { urls, key, certificate, bundle } = parseConfig(savedSchema, readSaved(file), file);
	return { way: 'tls', urls, key, certificate, bundle };
}

function readSaved(file: string): unknown {
	let text: string;
	try {
		text = readFileSync(file, 'utf8');
	} catch (cause) {
		const { code } = cause as NodeJS.ErrnoException;
		if (code !== 'ENOENT') throw new BirthmarkError('config-invalid', `${file} cannot be read (${code})`, { cause });
		throw new BirthmarkError('unauthenticated', 'not logged in to a CA: run "birthmark login --ca https://HOST:33004" with an operator token, or name the admin socket of a CA on this machine with --ca-socket');
	}
	try {
		return JSON.parse(text);
	} catch {
		// Without the cause, which quotes from the file, and that holds a key.
		throw new BirthmarkError('config-invalid', `${file} is not JSON; run "birthmark login" again`);
	}
}

/** Saves a login, readable by this user only. @returns the file's path */
export async function saveProfile(profile: TlsProfile, environment: NodeJS.ProcessEnv = process.env): Promise<string> {
	const directory = profileDirectory(environment);
	mkdirSync(directory, { recursive: true, mode: 0o700 });
	const file = join(directory, 'operator.json');
	const { urls, key, certificate, bundle } = profile;
	await writeFileAtomic(file, JSON.stringify({ version: 2, urls, key, certificate, bundle }, undefined, 2) + '\n', 0o600);
	return file;
}
