/**
 * Every call to the engine that may concern an identity, with methods and paths as the engine routes
 * them (moby, api/server/router). Anything else passes.
 */

import { checkCommit, refuseLabelled } from './labelled-containers.ts';
import { checkCreate } from './container-create.ts';
import { checkOldCopy, checkStart } from './old-api.ts';
import type { Rule } from './rule.ts';
import { checkService } from './services.ts';
import { checkVolumeCreate } from './volume-create.ts';

export const CREATE: Rule = { method: /^POST$/, path: /^\/containers\/create$/, check: checkCreate };

export const RULES: readonly Rule[] = [
	CREATE,
	{ method: /^POST$/, path: /^\/containers\/(.+)\/start$/, check: checkStart },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/copy$/, check: checkOldCopy },
	{ method: /^(?:GET|HEAD|PUT)$/, path: /^\/containers\/(.+)\/archive$/, check: refuseLabelled('files cannot be copied into it or out of it') },
	{ method: /^GET$/, path: /^\/containers\/(.+)\/export$/, check: refuseLabelled('it cannot be exported; build an image from a container without birthmark labels') },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/checkpoints$/, check: refuseLabelled('a checkpoint would write its key to the disk') },
	{ method: /^POST$/, path: /^\/commit$/, check: checkCommit },
	{ method: /^POST$/, path: /^\/volumes\/create$/, check: checkVolumeCreate },
	{ method: /^POST$/, path: /^\/services\/(?:create|[^/]+\/update)$/, check: checkService },
];
