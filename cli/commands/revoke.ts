/** `birthmark revoke`: by serial, container, name or node. */

import { Option, type Command } from 'commander';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { IdentityList, RevocationReason, RevokeAnswer, RevokeRequest } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';
import type { Context } from '../context.ts';

const REASONS: readonly RevocationReason[] = ['unspecified', 'keyCompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn'];

interface Options {
	readonly container?: string;
	readonly cn?: string;
	readonly node?: string;
	readonly reason: RevocationReason;
}

export function addRevoke(program: Command, context: Context): void {
	program
		.command('revoke')
		.description('revoke certificates; they are on the revocation list when the command returns')
		.argument('[serial]', 'serial number of one certificate')
		.option('--container <id>', 'all of one container: its id, the beginning of it, or its name')
		.option('--cn <name>', 'all of one name')
		.option('--node <name>', 'all that a node authorized')
		.addOption(new Option('--reason <reason>', 'reason code (RFC 5280 §5.3.1)').choices(REASONS).default('unspecified'))
		.option('--json', 'print JSON')
		.action(async (serial: string | undefined, options: Options) => {
			const request: RevokeRequest = {
				...(serial === undefined ? {} : { serial }),
				...(options.container === undefined ? {} : { containerId: await containerId(context, options.container) }),
				...(options.cn === undefined ? {} : { commonName: options.cn }),
				...(options.node === undefined ? {} : { node: options.node }),
			};
			if (Object.keys(request).length !== 1) throw new BirthmarkError('usage', 'name exactly one of: a serial, --container, --cn, --node');
			const answer = await context.ca().json<RevokeAnswer>('POST', '/v1/revoke', { ...request, reason: options.reason });
			if (context.wantsJson()) return context.output.json(answer);
			context.output.line(answer.revoked === 0 ? 'nothing to revoke: no live certificate matches' : `revoked ${answer.revoked} certificate${answer.revoked === 1 ? '' : 's'}; revocation list number ${answer.crlNumber}`);
		});
}

const FULL_ID = /^[0-9a-f]{64}$/;

/** @throws BirthmarkError `not-found` when no live identity belongs to such a container, `usage` when several do */
async function containerId(context: Context, reference: string): Promise<string> {
	if (FULL_ID.test(reference)) return reference;
	// An unset variable of a script: every id begins with it.
	if (reference === '') throw new BirthmarkError('usage', 'the container is empty; give its name or the beginning of its id');
	const { identities } = await context.ca().json<IdentityList>('GET', '/v1/identities');
	const matches = identities.filter((identity) => identity.containerName === reference || identity.containerId?.startsWith(reference));
	const ids = [...new Set(matches.map((identity) => identity.containerId!))];
	if (ids.length === 0) throw new BirthmarkError('not-found', `no live identity belongs to a container ${quote(reference)}; "birthmark ls" lists them`);
	if (ids.length > 1) throw new BirthmarkError('usage', `${quote(reference)} means ${ids.length} containers; give more digits of the id`);
	return ids[0]!;
}
