/** A user of the CA who signs tokens for the load. */

import type { TestCa } from '../support/ca.ts';
import { addUser } from '../support/user.ts';

/** To the end of any soak. */
const SIX_DAYS = 6 * 24 * 3600;

/**
 * @param seconds how long a token is good
 * @returns a function that signs a token for a name
 */
export async function soakUser(ca: Pick<TestCa, 'bundle' | 'admin'>, seconds = SIX_DAYS): Promise<(commonName: string) => Promise<string>> {
	const user = await addUser(ca, 'alice', ['*/*']);
	return (commonName) => user.token({ sub: commonName, ou: 'web', exp: Math.floor(Date.now() / 1000) + seconds });
}
