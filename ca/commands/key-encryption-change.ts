/** `ca key-encryption-change` */

import { changeKeyEncryption } from '../key-change.ts';
import { loadConfig } from '../serve.ts';
import { defineCommand, report } from './command.ts';

export const keyEncryptionChange = defineCommand({
	name: 'key-encryption-change',
	usage: '[--to FILE] [--json]',
	summary: 'encrypts the CA\'s keys under another key-encryption key, while it does not serve; without --to, a random one in the CA\'s own file',
	options: { to: { type: 'string' }, json: { type: 'boolean' } },
	async run(state, { to, json }, env) {
		const result = await changeKeyEncryption({ state, config: await loadConfig(state, env), env, to });
		const next = result.isInPlace ? 'It is in place: make a copy of it.' : `Put what is in ${to} where the CA has the old one from, before you start it.`;
		report(json, result, `${result.keys} private keys are under the new key-encryption key. ${next}\nOther instances on the same database need it too. Backups of before want the old one.`);
	},
});
