/**
 * Every call to the engine that may concern an identity, with methods and paths as the engine routes
 * them (moby, api/server/router). Anything else passes, unread as a rule (`unconcerned.ts`).
 */

import { checkAttach } from './attach.ts';
import { checkBuild } from './builds.ts';
import { checkCreate } from './container-create.ts';
import { checkRestart, checkStart } from './container-start.ts';
import type { MethodAndPath } from './engine-call.ts';
import { checkExecCreate, checkExecStart } from './execs.ts';
import { checkCommit, reaches } from './labelled-containers.ts';
import { checkConnect } from './networks.ts';
import { checkOldCopy } from './old-api.ts';
import { checkPluginChange, checkPluginControl, checkPluginInstall } from './plugins.ts';
import { checkRename } from './renames.ts';
import type { Pattern, Rule } from './rule.ts';
import { checkService } from './services.ts';
import { checkSwarm } from './swarm.ts';
import { checkVolumeCreate } from './volume-create.ts';
import { checkVolumeRemove } from './volume-remove.ts';

export const CREATE: Rule = { method: /^POST$/, path: /^\/containers\/create$/, check: checkCreate };

/** Group 1 names the service, of an update. */
export const SERVICE: Rule = { method: /^POST$/, path: /^\/services\/(?:create|([^/]+)\/update)$/, check: checkService };

/** A name may have any character: of networks the engine takes line ends, too. */
export const RULES: readonly Rule[] = [
	CREATE,
	{ method: /^POST$/, path: /^\/containers\/(.+)\/start$/s, check: checkStart },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/restart$/s, check: checkRestart },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/copy$/s, check: checkOldCopy },
	{ method: /^(?:GET|HEAD|PUT)$/, path: /^\/containers\/(.+)\/archive$/s, check: reaches('copy', 'its key is among its files') },
	{ method: /^GET$/, path: /^\/containers\/(.+)\/export$/s, check: reaches('export', 'its files are not for others') },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/checkpoints$/s, check: reaches('checkpoint', 'a checkpoint would write its key to the disk') },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/rename$/s, check: checkRename },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/exec$/s, check: checkExecCreate },
	{ method: /^POST$/, path: /^\/exec\/(.+)\/start$/s, check: checkExecStart },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/attach$/s, check: checkAttach },
	{ method: /^GET$/, path: /^\/containers\/(.+)\/attach\/ws$/s, check: checkAttach },
	{ method: /^POST$/, path: /^\/commit$/, check: checkCommit },
	{ method: /^POST$/, path: /^\/volumes\/create$/, check: checkVolumeCreate },
	{ method: /^DELETE$/, path: /^\/volumes\/(.+)$/s, check: checkVolumeRemove },
	SERVICE,
	{ method: /^POST$/, path: /^\/networks\/(.+)\/connect$/s, check: checkConnect },
	{ method: /^POST$/, path: /^\/swarm\/(?:init|join)$/, check: checkSwarm },
	{ method: /^POST$/, path: /^\/(?:build|session|grpc)$/, check: checkBuild },
	{ method: /^POST$/, path: /^\/plugins\/(?:pull|create)$/, check: checkPluginInstall },
	{ method: /^POST$/, path: /^\/plugins\/(.+)\/(?:enable|disable)$/s, check: checkPluginControl },
	{ method: /^POST$/, path: /^\/plugins\/(.+)\/(?:set|upgrade)$/s, check: checkPluginChange },
	{ method: /^DELETE$/, path: /^\/plugins\/(.+)$/s, check: checkPluginControl },
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
