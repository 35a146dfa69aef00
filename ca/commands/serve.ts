/** `ca serve` */

import { errorCode } from '#common/protocol/errors.ts';
import { createLogger } from '#common/runtime/log.ts';
import { onShutdown } from '#common/runtime/shutdown.ts';
import type { CaConfig } from '../config.ts';
import { onHangup } from '../hangup.ts';
import { initCa, type InitOptions } from '../init.ts';
import { parseExternalAddress } from '../issuance/external-address.ts';
import { readExternalFiles } from '../issuance/external-files.ts';
import { openCfsslClients } from '../registration/cfssl-clients.ts';
import { loadConfig, serveCa } from '../serve.ts';
import { caExists } from '../state-folder.ts';
import { readOtelEnvironment } from '../tracing/otel-environment.ts';
import { defineCommand, report } from './command.ts';

export const serve = defineCommand({
	name: 'serve',
	usage: '[--init [--trust-domain NAME] [--environment NAME]] [--check-config [--json]]',
	summary: 'runs the CA in the foreground; --init makes it first if there is none; --check-config only checks the configuration',
	options: { init: { type: 'boolean' }, 'trust-domain': { type: 'string' }, environment: { type: 'string' }, 'check-config': { type: 'boolean' }, json: { type: 'boolean' } },
	async run(state, { init, 'trust-domain': trustDomain, environment, 'check-config': onlyCheck, json }, env) {
		if (init && !onlyCheck) await initUnlessThere({ state, trustDomain, environment, env });
		const config = await loadConfig(state, env);
		if (onlyCheck) {
			await checkWhatIsNamed(config, env);
			if (json) report(json, { valid: true }, '');
			return;
		}
		let level = config.logLevel;
		const logger = createLogger('ca', () => level);
		const starting = serveCa({ state, config, env, logger });
		onHangup(logger, async () => {
			const ca = await starting;
			level = (await ca.reload(await loadConfig(state, env))).config.logLevel;
		});
		const ca = await starting;
		onShutdown(logger, () => ca.close());
	},
});

/** Of several instances that begin at once one makes the CA, and all serve it. */
async function initUnlessThere(options: InitOptions): Promise<void> {
	if (caExists(options.state)) return;
	await initCa(options).catch((error: unknown) => {
		if (errorCode(error) !== 'ca-exists') throw error;
	});
}

/** What else would keep the CA from starting: the files that the configuration names, and variables beside it. */
async function checkWhatIsNamed({ cfssl, externalCa }: CaConfig, env: InitOptions['env']): Promise<void> {
	readOtelEnvironment(env);
	openCfsslClients(cfssl.clients);
	if (externalCa !== null) await readExternalFiles(parseExternalAddress(externalCa));
}
