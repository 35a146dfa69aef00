/** The policy that the commands look at: a file given by name, or that of this host. */

import { readFileSync } from 'node:fs';
import type { PolicySource } from '#common/policy/policy.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';

/** The plugin's own default (POLICY_FILE). */
export const POLICY_FILE = '/etc/birthmark/policy.cedar';

/**
 * @param path that of this host when absent
 * @returns undefined when this host has none
 * @throws BirthmarkError `not-found` for a file that was named and is not there, `usage` for one that cannot be read,
 * `policy-invalid` for one that is no text
 */
export function readPolicy(path: string | undefined): PolicySource | undefined {
	const from = path ?? POLICY_FILE;
	try {
		return { path: from, text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(from)) };
	} catch (cause) {
		if (cause instanceof TypeError) throw new BirthmarkError('policy-invalid', `the policy ${from} is not valid UTF-8`, { cause });
		if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw new BirthmarkError('usage', `${from} cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
		if (path === undefined) return undefined;
		throw new BirthmarkError('not-found', `there is no file ${path}`, { cause });
	}
}
