/**
 * One process per state folder: a second one on the same SQLite file would publish revocation lists
 * that lack what the first has revoked since.
 */

import { connect } from 'node:net';
import { BirthmarkError } from '#common/protocol/errors.ts';

/**
 * @param adminSocket answers while a CA serves; the file of one that was killed does not
 * @throws BirthmarkError `ca-exists` when one does
 */
export async function requireOnlyInstance(adminSocket: string): Promise<void> {
	const isAnswering = await new Promise<boolean>((resolve) => {
		const socket = connect(adminSocket);
		socket.once('connect', () => {
			socket.destroy();
			resolve(true);
		});
		socket.once('error', () => resolve(false));
	});
	if (isAnswering) throw new BirthmarkError('ca-exists', `another process serves this CA already (${adminSocket} answers): stop it first`);
}
