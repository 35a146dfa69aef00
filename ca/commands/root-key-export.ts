/** `ca root-key-export` */

import { exportRootKey } from '../root-key.ts';
import { loadConfig } from '../serve.ts';
import { defineCommand, report, required } from './command.ts';

export const rootKeyExport = defineCommand({
	name: 'root-key-export',
	usage: '--out FILE --passphrase-file FILE [--remove] [--json]',
	summary: 'writes the key of the root, encrypted under the passphrase; --remove takes it out of the CA, which needs it only to rotate',
	options: { out: { type: 'string' }, 'passphrase-file': { type: 'string' }, remove: { type: 'boolean' }, json: { type: 'boolean' } },
	async run(state, { out, 'passphrase-file': passphrase, remove = false, json }, env) {
		const file = required(out, '--out FILE');
		const passphraseFile = required(passphrase, '--passphrase-file FILE');
		await exportRootKey({ state, config: await loadConfig(state, env), env, out: file, passphraseFile, remove });
		report(json, { file, removed: remove }, `${file} holds the root's key${remove ? ', and the CA does not any more' : ''}. There is no other copy but in backups: keep it.`);
	},
});
