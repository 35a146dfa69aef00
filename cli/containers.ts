/** Containers as people name them: by their name, or by the beginning of their id. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Identity } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';
import type { Context } from './context.ts';
import { listIdentities } from './identities.ts';

export type LiveIdentities = () => Promise<readonly Identity[]>;

/** Asks the CA once, when the first container is not named by its whole id. */
export function lookUp(context: Context): LiveIdentities {
	let answer: ReturnType<LiveIdentities> | undefined;
	return () => (answer ??= listIdentities(context.ca(), false));
}

const FULL_ID = /^[0-9a-f]{64}$/;

/** @throws BirthmarkError `not-found` when no live identity belongs to such a container, `usage` when several do */
export async function containerId(list: LiveIdentities, reference: string): Promise<string> {
	if (FULL_ID.test(reference)) return reference;
	// An unset variable of a script: every id begins with it.
	if (reference === '') throw new BirthmarkError('usage', 'the container is empty; give its name or the beginning of its id');
	const matches = (await list()).filter((identity) => identity.containerName === reference || identity.containerId?.startsWith(reference));
	const ids = [...new Set(matches.map((identity) => identity.containerId!))];
	if (ids.length === 0) throw new BirthmarkError('not-found', `no live identity belongs to a container ${quote(reference)}; "birthmark ls" lists them`);
	if (ids.length > 1) throw new BirthmarkError('usage', `${quote(reference)} means ${ids.length} containers; give more digits of the id`);
	return ids[0]!;
}
