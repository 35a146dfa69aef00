/** `birthmark show`: everything the CA knows of one identity. */

import type { Command } from 'commander';
import type { Identity, IdentityList } from '#common/protocol/messages.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { printable, quote } from '#common/protocol/names.ts';
import type { Context } from '../context.ts';
import { formatSpan } from '../output.ts';
import { describeReload } from '../reload.ts';

export function addShow(program: Command, context: Context): void {
	program
		.command('show')
		.description('show the identities of one name, or one certificate by its serial')
		.argument('<name-or-serial>')
		.option('--json', 'print JSON')
		.action(async (key: string) => {
			const { identities } = await context.ca().json<IdentityList>('GET', `/v1/identities/${encodeURIComponent(key)}`);
			if (identities.length === 0) throw new BirthmarkError('certificate-unknown', `the CA knows no identity ${quote(key)}; "birthmark ls --all" lists them`);
			if (context.wantsJson()) return context.output.json({ identities });
			context.output.line(identities.map((identity) => describe(identity, context)).join('\n\n'));
		});
}

function describe(identity: Identity, { now, output }: Context): string {
	const fields: Array<[string, string | undefined]> = [
		['serial', identity.serial],
		['status', identity.status],
		['revoked', identity.revokedAt && `${identity.revokedAt} (${identity.revocationReason ?? 'unspecified'})`],
		['subject', `CN=${identity.commonName}, OU=${identity.organizationalUnit}, O=${identity.organization}`],
		['SPIFFE ID', identity.spiffeId],
		['DNS names', identity.dnsNames.join(', ')],
		['valid', `${identity.notBefore} to ${identity.notAfter}${identity.status === 'live' ? ` (${formatSpan(Date.parse(identity.notAfter) - now().getTime())} left)` : ''}`],
		['renewals', String(identity.renewals)],
		['reload', describeReload(identity)],
		['node', identity.node],
		['user', identity.user],
		['container', identity.containerId && `${identity.containerName ?? ''} ${identity.containerId}`.trim()],
		['image', identity.image && `${identity.image} ${identity.imageId ?? ''}`.trim()],
	];
	const colour = identity.status === 'live' ? 'green' : 'red';
	return fields
		.filter(([, value]) => value)
		.map(([name, value]) => `${name.padEnd(10)} ${name === 'status' ? output.paint(colour, value!) : printable(value!)}`)
		.join('\n');
}
