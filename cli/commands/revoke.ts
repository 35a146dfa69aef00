/** `birthmark revoke`: by serial, container, name or node; one, or as many as a file lists. */

import { createReadStream } from 'node:fs';
import { Option, type Command } from 'commander';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Identity, RevocationReason, RevocationResult, RevocationsAnswer, RevocationsRequest, RevokeAnswer, RevokeRequest } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { containerId, lookUp, type LiveIdentities } from '../containers.ts';
import { formatTable } from '../output.ts';
import { parseRevocationFile, type Selector } from '../revocation-file.ts';

const REASONS: readonly RevocationReason[] = ['unspecified', 'keyCompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn'];
/** Fewer than the CA takes, so that each call is answered soon. */
const BATCH = 100;
/** Some 100 000 lines. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;

interface Options {
	readonly container?: string;
	readonly cn?: string;
	readonly node?: string;
	readonly file?: string;
	readonly chain: boolean;
	readonly reason: RevocationReason;
	readonly dryRun?: boolean;
	readonly yes?: boolean;
}

export function addRevoke(program: Command, context: Context): void {
	program
		.command('revoke')
		.description('revoke certificates; they are on the revocation list when the command returns')
		.argument('[serial]', 'serial number of a certificate; those that renewed it, or that it renewed, go with it')
		.option('--no-chain', 'with a serial number: only this certificate')
		.option('--container <id>', 'all of one container: its id, the beginning of it, or its name')
		.option('--cn <name>', 'all of one name')
		.option('--node <name>', 'all that a node authorized')
		.option('--file <path>', 'all that a file lists, one per line: a serial number, or "container", "cn" or "node" and a value; - for standard input')
		.addOption(new Option('--reason <reason>', 'reason code (RFC 5280 §5.3.1)').choices(REASONS).default('unspecified'))
		.option('--dry-run', 'say what would be revoked, and revoke nothing')
		.option('--yes', 'do what --file lists: without it, or --dry-run, nothing happens')
		.option('--json', 'print JSON')
		.action(async (serial: string | undefined, options: Options) => {
			const named = Object.entries({ serial, container: options.container, cn: options.cn, node: options.node })
				.flatMap(([by, value]) => (value === undefined ? [] : [{ by: by as Selector['by'], value }]));
			if (named.length + (options.file === undefined ? 0 : 1) !== 1) {
				throw new BirthmarkError('usage', 'name exactly one of: a serial, --container, --cn, --node, --file');
			}
			const [selector] = named;
			if (selector) await revokeOne(context, selector, options);
			else await revokeAll(context, parseRevocationFile(await readFile(options.file!)), options);
		});
}

async function revokeOne(context: Context, selector: Selector, options: Options): Promise<void> {
	const request: RevokeRequest = { ...await toRequest(lookUp(context), selector, options), ...(options.dryRun && { dryRun: true }) };
	const answer = await context.ca().json<RevokeAnswer>('POST', '/v1/revoke', request);
	if (isNothing(selector, answer)) process.exitCode = ExitCode.notFound;
	if (context.wantsJson()) return context.output.json(answer);
	if (answer.revoked === 0) return context.output.line('nothing to revoke: no live certificate matches');
	if (options.dryRun) return describe(context, answer.revoked, answer.identities ?? []);
	context.output.line(`revoked ${count(answer.revoked)}; revocation list number ${answer.crlNumber}`);
}

async function revokeAll(context: Context, selectors: readonly Selector[], options: Options): Promise<void> {
	if (!options.yes && !options.dryRun) {
		throw new BirthmarkError('usage', `the list has ${selectors.length} entries: look at what they mean with --dry-run, then repeat with --yes`);
	}
	// All of them before the first is sent: a container that does not exist is found while nothing has happened yet.
	const list = lookUp(context);
	const requests: RevokeRequest[] = [];
	for (const selector of selectors) requests.push(await toRequest(list, selector, options));
	const results: RevocationResult[] = [];
	let crlNumber = 0;
	for (let start = 0; start < requests.length; start += BATCH) {
		const body: RevocationsRequest = { revocations: requests.slice(start, start + BATCH), ...(options.dryRun && { dryRun: true }) };
		const answer = await context.ca().json<RevocationsAnswer>('POST', '/v1/revocations', body);
		results.push(...answer.results);
		crlNumber = answer.crlNumber;
	}
	const revoked = results.reduce((sum, result) => sum + result.revoked, 0);
	const failed = results.filter(({ code }) => code !== undefined).length;
	const nothing = results.filter((result, index) => isNothing(selectors[index]!, result)).length;
	if (failed > 0) process.exitCode = ExitCode.failed;
	else if (nothing > 0) process.exitCode = ExitCode.notFound;
	if (context.wantsJson()) return context.output.json({ results: results.map((result, index) => ({ ...selectors[index], ...result })), revoked, crlNumber });
	for (const [index, { code, detail }] of results.entries()) {
		const { by, value } = selectors[index]!;
		if (code !== undefined) context.output.line(`${by} ${quote(value)}: ${detail ?? ''} [${code}]`);
		else if (isNothing(selectors[index]!, results[index]!)) context.output.line(`${by} ${quote(value)}: no live certificate matches`);
	}
	const share = (number: number, what: string): string => (number > 0 ? `; ${number} of ${results.length} entries ${what}` : '');
	const rest = share(failed, 'failed') + share(nothing, 'matched nothing');
	if (options.dryRun) describe(context, revoked, results.flatMap(({ identities }) => identities ?? []), rest);
	else context.output.line(`revoked ${count(revoked)}; revocation list number ${crlNumber}${rest}`);
}

/** A certificate that the CA knows by its serial is revoked already; of a name that matches nothing nobody knows whether it was meant. */
function isNothing({ by }: Selector, { revoked, code }: Pick<RevocationResult, 'revoked' | 'code'>): boolean {
	return by !== 'serial' && revoked === 0 && code === undefined;
}

function describe(context: Context, number: number, identities: readonly Identity[], rest = ''): void {
	context.output.line(`would revoke ${count(number)}${rest}`);
	if (identities.length === 0) return;
	const rows = identities.map(({ commonName, organizationalUnit, serial, node = '', containerName, containerId }) => {
		return [commonName, organizationalUnit, serial, node, [containerName, containerId?.slice(0, 12)].filter(Boolean).join(' ')];
	});
	context.output.line(formatTable(['CN', 'ROLE', 'SERIAL', 'NODE', 'CONTAINER'], rows));
	if (identities.length < number) context.output.line(`and ${number - identities.length} more`);
}

function count(certificates: number): string {
	return `${certificates} certificate${certificates === 1 ? '' : 's'}`;
}

async function toRequest(list: LiveIdentities, { by, value }: Selector, { chain, reason }: Options): Promise<RevokeRequest> {
	switch (by) {
		case 'serial': return { serial: value, reason, ...(chain && { chain }) };
		case 'container': return { containerId: await containerId(list, value), reason };
		case 'cn': return { commonName: value, reason };
		case 'node': return { node: value, reason };
	}
}

/** Not by readFileSync(0): commander loads `process.stdin`, which makes a pipe non-blocking. */
async function readFile(path: string): Promise<string> {
	let text = '';
	try {
		for await (const chunk of path === '-' ? process.stdin.setEncoding('utf8') : createReadStream(path, 'utf8')) {
			text += String(chunk);
			if (text.length > MAX_FILE_BYTES) throw new Error('it is larger than 8 MiB');
		}
	} catch (cause) {
		throw new BirthmarkError('usage', `the list cannot be read: ${(cause as Error).message}`, { cause });
	}
	return text;
}
