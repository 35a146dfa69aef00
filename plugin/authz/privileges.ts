/**
 * What a container with an identity may not be able to do. The agent that it gets is the same file
 * for all containers of the host, read-only by a mount: whoever may change mounts, load modules or
 * open files past their paths could change it for all of them.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { CreateBody } from './create-body.ts';

const TOO_POWERFUL: readonly string[] = ['ALL', 'SYS_ADMIN', 'SYS_MODULE', 'SYS_RAWIO', 'DAC_READ_SEARCH'];

/** @throws BirthmarkError `container-too-powerful` */
export function checkPrivileges({ privileged, capAdd }: Pick<CreateBody, 'privileged' | 'capAdd'>): void {
	if (privileged) throw refusal('is privileged');
	const capability = capAdd.map((name) => name.toUpperCase().replace(/^CAP_/, '')).find((name) => TOO_POWERFUL.includes(name));
	if (capability !== undefined) throw refusal(`adds the capability ${capability}`);
}

function refusal(what: string): BirthmarkError {
	return new BirthmarkError('container-too-powerful', `a container that ${what} could change the agent of every container on this host and gets no identity; run it without that, or without birthmark labels`);
}
