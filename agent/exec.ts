/** `birthmark-agent exec`: identity first, then the application, then renewal until it ends. */

import { enrol, type EnrolDeps, type EnrolOptions } from './enrol.ts';
import { reapOrphans } from './reap.ts';
import { keepRenewed, type RenewalLoopDeps } from './renewal-loop.ts';
import type { SignalRouter } from './signals.ts';
import { startApplication } from './supervise.ts';

export type ExecDeps = EnrolDeps & RenewalLoopDeps & { readonly signals: SignalRouter };

/**
 * @returns the exit code of the application
 * @throws BirthmarkError when there is no identity or no application; {@link Interrupted} by a signal before the start
 */
export async function execWithIdentity(options: Omit<EnrolOptions, 'signal'>, application: readonly string[], deps: ExecDeps): Promise<number> {
	const { signals, logger } = deps;
	const { leaf } = await enrol({ ...options, signal: signals.interruption }, deps);
	logger.info('identity in place', { serial: leaf.serial });
	const child = await startApplication(application);
	signals.forwardTo((signal) => child.signal(signal));
	void reapOrphans(child.pid).catch((error: unknown) => logger.warn('orphaned processes will not be reaped', { error }));

	const ended = new AbortController();
	const renewal = keepRenewed(options.directory, ended.signal, deps).catch((error: unknown) => {
		if (!ended.signal.aborted) logger.error('renewal ended unexpectedly: the certificate in use ends at its date', { error });
	});
	const code = await child.exited;
	ended.abort();
	await renewal;
	return code;
}
