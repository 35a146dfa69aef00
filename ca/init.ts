/** `init`: makes a CA in a state folder. */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { readCaConfig } from './config.ts';
import { createAuthority } from './issuance/authority.ts';
import { caExists, caExistsError, statePaths, writeState } from './state-folder.ts';

export interface InitOptions {
	readonly state: string;
	readonly trustDomain?: string | undefined;
	readonly environment?: string | undefined;
	/** environment variables */
	readonly env: Readonly<Record<string, string | undefined>>;
}

export interface InitResult {
	readonly trustDomain: string;
	readonly environment: string;
	/** SHA-256 of the trust bundle, hexadecimal */
	readonly digest: string;
	/** PEM */
	readonly bundle: string;
}

/**
 * A `config.json` that lies in the folder already is respected.
 *
 * @throws BirthmarkError `ca-exists`, `config-invalid`
 */
export async function initCa({ state, trustDomain, environment, env }: InitOptions): Promise<InitResult> {
	if (caExists(state)) throw caExistsError(state);
	const { config: path } = statePaths(state);
	const isPrepared = existsSync(path);
	const text = isPrepared ? readFileSync(path, 'utf8') : JSON.stringify({ trustDomain, environment });
	const config = readCaConfig(text, env);
	const { trustDomain: domain, environment: name } = config;
	if ((trustDomain ?? domain) !== domain || (environment ?? name) !== name) {
		const said = `${path} or the environment already says "${domain}" and "${name}"`;
		throw new BirthmarkError('config-invalid', `${said}: give no other names on the command line, or change them there`);
	}
	const authority = await createAuthority(domain, { clock: systemClock, random: randomBytes, backdateSeconds: config.backdateSeconds });
	// Both are in every certificate, so they are written down, wherever they came from.
	const chosen = isPrepared ? text : JSON.stringify({ trustDomain: domain, environment: name }, null, '\t') + '\n';
	await writeState(state, authority, chosen);
	return { trustDomain: domain, environment: name, digest: bundleDigest(authority.bundle).toString('hex'), bundle: authority.bundle };
}
