/** `ca backup` and `ca restore` */

import { backupCa, restoreCa, type RestoreResult } from '../backup.ts';
import { loadConfig } from '../serve.ts';
import { defineCommand, report, required } from './command.ts';

export const backup = defineCommand({
	name: 'backup',
	usage: '--out FILE [--json]',
	summary: 'writes the whole CA into one file, also while it serves; the key-encryption key is not in it',
	options: { out: { type: 'string' }, json: { type: 'boolean' } },
	async run(state, { out, json }, env) {
		const file = required(out, '--out FILE');
		const rows = await backupCa({ state, out: file, config: await loadConfig(state, env) });
		report(json, { file, rows }, `${file} holds the CA: ${rows} rows, its configuration, and its keys as they are kept, encrypted. Keep the key-encryption key apart from it.`);
	},
});

export const restore = defineCommand({
	name: 'restore',
	usage: '--from FILE [--json]',
	summary: 'makes a CA of a backup, where there is none',
	options: { from: { type: 'string' }, json: { type: 'boolean' } },
	async run(state, { from, json }, env) {
		const result = await restoreCa({ state, from: required(from, '--from FILE'), env });
		report(json, result, describe(result));
	},
});

/** What whoever restores has to know before the CA serves again. */
function describe({ rows, madeAt, missingKey }: RestoreResult): string {
	return [
		`Restored ${rows} rows of the backup of ${madeAt.toISOString()}. Since then:`,
		'- what was revoked is not revoked any more: revoke it again;',
		'- what was issued is unknown, and refused by this CA, but not on its revocation lists: whoever checks only chain and lists accepts it until it ends;',
		'- what joined or was authorized has to be so again; changed rules are as they were.',
		'No token that had not been redeemed at the time of the backup is good any more.',
		...(missingKey === undefined ? [] : [`Put the key-encryption key at ${missingKey} (mode 0600) before you start the CA.`]),
	].join('\n');
}
