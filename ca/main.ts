/**
 * The CA's command line.
 *
 *     ca init  --state DIR [--trust-domain D] [--environment E] [--json]
 *     ca serve --state DIR [--init] [--check-config]
 *     ca backup --state DIR --out FILE [--json]
 *     ca restore --state DIR --from FILE [--json]
 *     ca root-key-export --state DIR --out FILE --passphrase-file FILE [--remove] [--json]
 *     ca audit-verify --state DIR [--expect NUMBER:HASH] [--json]
 *
 * `--state` may come from `$BIRTHMARK_CA_STATE`, the configuration from `$BIRTHMARK_CA_…` (see `config.ts`).
 * Exit codes: 0 done, 1 refused or failed, 64 command line not understood, 78 configuration at fault (sysexits.h).
 */

import { parseArgs } from 'node:util';
import { formatAuditHead, parseAuditHead } from '#common/protocol/audit-chain.ts';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { createLogger } from '#common/runtime/log.ts';
import { onShutdown } from '#common/runtime/shutdown.ts';
import { verifyAuditLog } from './audit/verify.ts';
import { backupCa, restoreCa, type RestoreResult } from './backup.ts';
import { onHangup } from './hangup.ts';
import { initCa, type InitOptions, type InitResult } from './init.ts';
import { exportRootKey } from './root-key.ts';
import { loadConfig, serveCa } from './serve.ts';
import { caExists, statePaths } from './state-folder.ts';
import { openStore } from './store/open-store.ts';

const USAGE = 'usage: ca init --state DIR [--trust-domain NAME] [--environment NAME] [--json] | ca serve --state DIR [--init] [--check-config]'
	+ ' | ca root-key-export --state DIR --out FILE --passphrase-file FILE [--remove] [--json]'
	+ ' | ca backup --state DIR --out FILE [--json] | ca restore --state DIR --from FILE [--json] | ca audit-verify --state DIR [--expect NUMBER:HASH] [--json]';

function parseCommandLine(argv: readonly string[]) {
	try {
		const { values, positionals } = parseArgs({
			args: [...argv],
			allowPositionals: true,
			options: {
				state: { type: 'string' },
				'trust-domain': { type: 'string' },
				environment: { type: 'string' },
				json: { type: 'boolean' },
				init: { type: 'boolean' },
				'check-config': { type: 'boolean' },
				expect: { type: 'string' },
				out: { type: 'string' },
				from: { type: 'string' },
				'passphrase-file': { type: 'string' },
				remove: { type: 'boolean' },
			},
		});
		const [command, ...rest] = positionals;
		const state = values.state ?? process.env['BIRTHMARK_CA_STATE'];
		if (!state) throw new Error('the state folder is not given: use --state DIR or $BIRTHMARK_CA_STATE');
		if (rest.length > 0) throw new Error('there are too many arguments');
		return { command, ...values, state };
	} catch (cause) {
		throw new BirthmarkError('usage', `${(cause as Error).message}\n${USAGE}`, { cause });
	}
}

function describe({ trustDomain, environment, digest }: InitResult, state: string): string {
	return `A new CA for ${trustDomain} (${environment}) is in ${state}.\nSHA-256 of its trust bundle: ${digest}\nStart it with: serve --state ${state}`;
}

/** What whoever restores has to know before the CA serves again. */
function describeRestored({ rows, madeAt, missingKey }: RestoreResult): string {
	return [
		`Restored ${rows} rows of the backup of ${madeAt.toISOString()}. Since then:`,
		'- what was revoked is not revoked any more: revoke it again;',
		'- what was issued is unknown, and refused by this CA, but not on its revocation lists: whoever checks only chain and lists accepts it until it ends;',
		'- what joined or was authorized has to be so again; changed rules are as they were.',
		'No token that had not been redeemed at the time of the backup is good any more.',
		...(missingKey === undefined ? [] : [`Put the key-encryption key at ${missingKey} (mode 0600) before you start the CA.`]),
	].join('\n');
}

function print(asJson: boolean | undefined, value: object, text: string): void {
	process.stdout.write((asJson ? JSON.stringify(value) : text) + '\n');
}

async function run(argv: readonly string[]): Promise<void> {
	const { command, state, ...options } = parseCommandLine(argv);
	const { 'trust-domain': trustDomain, environment } = options;
	if (command === 'init') {
		const result = await initCa({ state, trustDomain, environment, env: process.env });
		print(options.json, result, describe(result, state));
	} else if (command === 'serve') {
		if (options.init && !options['check-config']) await initUnlessThere({ state, trustDomain, environment, env: process.env });
		const config = await loadConfig(state, process.env);
		if (options['check-config']) return;
		let level = config.logLevel;
		const logger = createLogger('ca', () => level);
		const starting = serveCa({ state, config, env: process.env, logger });
		onHangup(logger, async () => {
			const ca = await starting;
			level = (await ca.reload(await loadConfig(state, process.env))).config.logLevel;
		});
		const ca = await starting;
		onShutdown(logger, () => ca.close());
	} else if (command === 'backup' && options.out !== undefined) {
		const rows = await backupCa({ state, out: options.out, config: await loadConfig(state, process.env) });
		print(options.json, { file: options.out, rows }, `${options.out} holds the CA: ${rows} rows, its configuration, and its keys as they are kept, encrypted. Keep the key-encryption key apart from it.`);
	} else if (command === 'restore' && options.from !== undefined) {
		const result = await restoreCa({ state, from: options.from, env: process.env });
		print(options.json, result, describeRestored(result));
	} else if (command === 'root-key-export' && options.out !== undefined && options['passphrase-file'] !== undefined) {
		const { out, 'passphrase-file': passphraseFile, remove = false } = options;
		await exportRootKey({ state, config: await loadConfig(state, process.env), env: process.env, out, passphraseFile, remove });
		print(options.json, { file: out, removed: remove }, `${out} holds the root's key${remove ? ', and the CA does not any more' : ''}. There is no other copy but in backups: keep it.`);
	} else if (command === 'audit-verify') {
		process.exitCode = await verifyAudit(state, options);
	} else {
		throw new BirthmarkError('usage', USAGE);
	}
}

/** Of several instances that begin at once one makes the CA, and all serve it. */
async function initUnlessThere(options: InitOptions): Promise<void> {
	if (caExists(options.state)) return;
	await initCa(options).catch((error: unknown) => {
		if (errorCode(error) !== 'ca-exists') throw error;
	});
}

/** @returns 0 when the log is intact, 1 when it is not */
async function verifyAudit(state: string, { expect, json }: { readonly expect?: string | undefined; readonly json?: boolean | undefined }): Promise<number> {
	const expected = expect === undefined ? undefined : parseAuditHead(expect);
	if (expect !== undefined && !expected) throw new BirthmarkError('usage', `a head is written NUMBER:HASH\n${USAGE}`);
	const store = await openStore((await loadConfig(state, process.env)).database, statePaths(state).database);
	try {
		const { fault, head, pending } = await verifyAuditLog(store, expected);
		const text = fault ? `broken: ${fault.sentence}` : `intact, ${head.sequence} records and ${pending} not yet sealed; head ${formatAuditHead(head)}`;
		process.stdout.write((json ? JSON.stringify({ intact: !fault, ...(fault && { fault }), head, pending }) : text) + '\n');
		return fault ? 1 : 0;
	} finally {
		await store.close();
	}
}

run(process.argv.slice(2)).catch((error: unknown) => {
	const code = errorCode(error);
	const text = error instanceof BirthmarkError ? `ca: ${error.message} [${code}]` : `ca: ${(error as Error).stack ?? error}`;
	process.stderr.write(text + '\n');
	process.exit(code === 'usage' ? 64 : code === 'config-invalid' ? 78 : 1);
});
