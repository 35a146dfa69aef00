/** `ca init` */

import { initCa } from '../init.ts';
import { defineCommand, report } from './command.ts';

export const init = defineCommand({
	name: 'init',
	usage: '[--trust-domain NAME] [--environment NAME] [--json]',
	summary: 'makes root, intermediate and database, and prints the SHA-256 of the trust bundle',
	options: { 'trust-domain': { type: 'string' }, environment: { type: 'string' }, json: { type: 'boolean' } },
	async run(state, { 'trust-domain': trustDomain, environment: name, json }, env) {
		const result = await initCa({ state, trustDomain, environment: name, env });
		const { trustDomain: domain, environment, digest } = result;
		report(json, result, `A new CA for ${domain} (${environment}) is in ${state}.\nSHA-256 of its trust bundle: ${digest}\nStart it with: serve --state ${state}`);
	},
});
