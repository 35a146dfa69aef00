/** `birthmark ls`: the identities that are alive, with --all also the dead. */

import type { Command } from 'commander';
import type { Identity } from '#common/protocol/messages.ts';
import type { Context } from '../context.ts';
import { listIdentities } from '../identities.ts';
import { isReloadFailure, reloadWord } from '../reload.ts';
import { formatSpan, formatTable } from '../output.ts';

export function addLs(program: Command, context: Context): void {
	program
		.command('ls')
		.description('list live identities')
		.option('-a, --all', 'also revoked, expired and renewed ones')
		.option('--json', 'print JSON')
		.action(async ({ all }: { all?: boolean }) => {
			const identities = await listIdentities(context.ca(), all === true);
			const workloads = identities.filter((identity) => identity.role === 'workload');
			if (context.wantsJson()) return context.output.json({ identities: workloads });
			if (workloads.length === 0) return context.output.line(all ? 'no identities yet' : 'no live identities (--all shows the dead too)');
			const reports = workloads.some(({ reload }) => reload !== undefined);
			const header = ['CN', 'ROLE', 'SPIFFE ID', 'CONTAINER', 'IMAGE', 'SERIAL', ...(all ? ['STATUS'] : []), 'EXPIRES IN', 'RENEWALS', ...(reports ? ['RELOAD'] : [])];
			const [head, ...rows] = formatTable(header, workloads.map((identity) => [...row(identity, context.now(), all === true), ...(reports ? [reloadWord(identity)] : [])])).split('\n');
			context.output.line(context.output.paint('bold', head!));
			for (const [index, line] of rows.entries()) {
				const identity = workloads[index]!;
				const colour = identity.status !== 'live' ? 'dim' : isReloadFailure(identity) ? 'yellow' : undefined;
				context.output.line(colour ? context.output.paint(colour, line) : line);
			}
		});
}

function row(identity: Identity, now: Date, all: boolean): string[] {
	const container = [identity.containerName, identity.containerId?.slice(0, 12)].filter(Boolean).join(' ');
	const left = identity.status === 'live' ? formatSpan(Date.parse(identity.notAfter) - now.getTime()) : '-';
	const status = identity.status === 'revoked' && identity.revocationReason ? `revoked (${identity.revocationReason})` : identity.status;
	return [identity.commonName, identity.organizationalUnit, identity.spiffeId, container, identity.image ?? '', identity.serial, ...(all ? [status] : []), left, String(identity.renewals)];
}
