/**
 * Every call to the engine that may concern an identity, with methods and paths as the engine routes
 * them (moby, api/server/router). Anything else passes, unread as a rule (`unconcerned.ts`).
 */

import { checkCommit, refuseLabelled } from './labelled-containers.ts';
import { checkCreate } from './container-create.ts';
import { checkOldCopy, checkStart } from './old-api.ts';
import type { Pattern, Rule } from './rule.ts';
import type { MethodAndPath } from './engine-call.ts';
import { checkService } from './services.ts';
import { checkVolumeCreate } from './volume-create.ts';
import { checkVolumeRemove } from './volume-remove.ts';

export const CREATE: Rule = { method: /^POST$/, path: /^\/containers\/create$/, check: checkCreate };

/** Group 1 names the service, of an update. */
export const SERVICE: Rule = { method: /^POST$/, path: /^\/services\/(?:create|([^/]+)\/update)$/, check: checkService };

export const RULES: readonly Rule[] = [
	CREATE,
	{ method: /^POST$/, path: /^\/containers\/(.+)\/start$/, check: checkStart },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/copy$/, check: checkOldCopy },
	{ method: /^(?:GET|HEAD|PUT)$/, path: /^\/containers\/(.+)\/archive$/, check: refuseLabelled('files cannot be copied into it or out of it') },
	{ method: /^GET$/, path: /^\/containers\/(.+)\/export$/, check: refuseLabelled('it cannot be exported; build an image from a container without birthmark labels') },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/checkpoints$/, check: refuseLabelled('a checkpoint would write its key to the disk') },
	{ method: /^POST$/, path: /^\/commit$/, check: checkCommit },
	{ method: /^POST$/, path: /^\/volumes\/create$/, check: checkVolumeCreate },
	{ method: /^DELETE$/, path: /^\/volumes\/(.+)$/, check: checkVolumeRemove },
	SERVICE,
];

/** Calls that may have taken containers or services away. */
export const REMOVALS: readonly Pattern[] = [
	{ method: /^DELETE$/, path: /^\/containers\/[^/]+$/ },
	{ method: /^POST$/, path: /^\/containers\/prune$/ },
	{ method: /^DELETE$/, path: /^\/services\/[^/]+$/ },
];

/** Every call whose answer is looked at on the way back. */
const WATCHED: readonly Pattern[] = [CREATE, SERVICE, ...REMOVALS];

/** @returns undefined for a call that concerns nothing of ours */
export function ruleFor(call: MethodAndPath): Rule | undefined {
	return RULES.find((rule) => concerns(rule, call));
}

export function isWatched(call: MethodAndPath): boolean {
	return WATCHED.some((pattern) => concerns(pattern, call));
}

export function concerns({ method, path }: Pattern, call: MethodAndPath): boolean {
	return method.test(call.method) && path.test(call.path);
}
