/** Who is asking, after authentication. */

import type { X509Certificate } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Role } from '#common/protocol/messages.ts';
import type { CertificateRecord } from '../store/records.ts';
import type { Subject } from './cfssl-clients.ts';

export type CallerRole = Exclude<Role, 'ca'> | 'external';

export interface Caller {
	/** `external`: a certificate of another CA, one that `cfssl.clients` names */
	readonly role: CallerRole;
	/** CN of a workload, name of a node or operator, `O/OU/CN` of an external caller */
	readonly name: string;
	/** what it proved itself with; absent for the operator at the admin socket, whom the file system admits */
	readonly certificate?: CertificateRecord;
	/** of an external caller */
	readonly presented?: X509Certificate;
	readonly subject?: Subject;
}

/**
 * @returns the node to whose things the caller's reach is limited; undefined for operators, who reach everything
 * @throws BirthmarkError `forbidden` for all others, who reach nothing
 */
export function nodeScope({ role, name }: Caller): string | undefined {
	switch (role) {
		case 'operator': return undefined;
		case 'node': return name;
		case 'workload':
		case 'external': throw new BirthmarkError('forbidden');
	}
}
