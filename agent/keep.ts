/**
 * `birthmark-agent keep`: the agent of a container in which no foreign code runs (`birthmark.agent=node`).
 * The node runs it, beside the container: identity first, a word to the plugin that it is there, then
 * renewal until it is told to end.
 */

import { enrol, type EnrolDeps, type EnrolOptions } from './enrol.ts';
import { keepRenewed, type RenewalLoopDeps } from './renewal-loop.ts';

export type KeepDeps = EnrolDeps & RenewalLoopDeps & {
	/** the identity is in place */
	readonly onReady: () => void;
};

/**
 * @param options.signal ends it
 * @throws the signal's reason in the end, or BirthmarkError when there is no identity to begin with
 */
export async function keepIdentity(options: EnrolOptions, deps: KeepDeps): Promise<never> {
	const { directory, signal } = options;
	const { leaf } = await enrol(options, deps);
	deps.logger.info('identity in place', { serial: leaf.serial });
	deps.onReady();
	await keepRenewed(directory, signal, deps);
	// The CA refuses to renew it, which the log has said: the certificate is good until its end, and nothing is left to do.
	return new Promise((_, reject) => {
		if (signal.aborted) reject(signal.reason);
		signal.addEventListener('abort', () => reject(signal.reason));
	});
}
