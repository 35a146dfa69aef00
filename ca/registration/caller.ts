/** Who is asking, after authentication. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Role } from '#common/protocol/messages.ts';
import type { CertificateRecord } from '../store/records.ts';

export interface Caller {
	readonly role: Exclude<Role, 'ca'>;
	/** CN of a workload, name of a node or operator */
	readonly name: string;
	/** what it proved itself with; absent for the operator at the admin socket, whom the file system admits */
	readonly certificate?: CertificateRecord;
}

/**
 * @returns the node to whose things the caller's reach is limited; undefined for operators, who reach everything
 * @throws BirthmarkError `forbidden` for workloads, who reach nothing
 */
export function nodeScope({ role, name }: Caller): string | undefined {
	switch (role) {
		case 'operator': return undefined;
		case 'node': return name;
		case 'workload': throw new BirthmarkError('forbidden');
	}
}
