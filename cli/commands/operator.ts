/** `birthmark operator`: people who may use this command from another machine. */

import type { Command } from 'commander';
import type { JoinTokenRequest, MintedToken } from '#common/protocol/messages.ts';
import type { Context } from '../context.ts';
import { parseSeconds } from '../span.ts';

export function addOperator(program: Command, context: Context): void {
	program
		.command('operator')
		.description('operators of the CA')
		.command('token')
		.description('make a one-time token for "birthmark login"')
		.requiredOption('--name <name>', 'the name that goes into the certificate and the audit trail')
		.option('--ttl <span>', 'how long it is good, e.g. 30m or 2h', parseSeconds)
		.option('--json', 'print JSON')
		.action(async ({ name, ttl }: { name: string; ttl?: number }) => {
			const request: JoinTokenRequest = { role: 'operator', name, ...(ttl === undefined ? {} : { ttlSeconds: ttl }) };
			const minted = await context.ca().json<MintedToken>('POST', '/v1/join-tokens', request);
			if (context.wantsJson()) return context.output.json(minted);
			context.output.line(minted.token);
		});
}
