/** Who is asking, after authentication. */

import type { Role } from '#common/protocol/messages.ts';
import type { CertificateRecord } from '../store/records.ts';

export interface Caller {
	readonly role: Exclude<Role, 'ca'>;
	/** CN of a workload, name of a node or operator */
	readonly name: string;
	/** what it proved itself with; absent for the operator at the admin socket, whom the file system admits */
	readonly certificate?: CertificateRecord;
}

/** What a caller's reach is limited to: nothing for operators, its own for a node. */
export function nodeScope(caller: Caller): string | undefined {
	return caller.role === 'node' ? caller.name : undefined;
}
