/** `birthmark-agent exec`: identity first, then the application, then renewal until it ends. */

import { enrol, type EnrolDeps, type EnrolOptions } from './enrol.ts';
import { probe } from './probe.ts';
import { watchPublications } from './publications.ts';
import { reapOrphans } from './reap.ts';
import { followRevocationList } from './revocation-list.ts';
import { keepReloaded, type Reloading, type ReloadDeps } from './reload.ts';
import { keepRenewed, type RenewalLoopDeps } from './renewal-loop.ts';
import type { Children } from './run-command.ts';
import type { SignalRouter } from './signals.ts';
import { startApplication, type Application } from './supervise.ts';
import { tell } from './tell.ts';

export type ExecDeps = EnrolDeps & RenewalLoopDeps & Pick<ReloadDeps, 'ca'> & { readonly signals: SignalRouter };

export interface ExecOptions extends Omit<EnrolOptions, 'signal'> {
	/** what the application wants to be told, and where it can be looked at */
	readonly reloading: Reloading | undefined;
}

/**
 * @returns the exit code of the application
 * @throws BirthmarkError when there is no identity or no application; {@link Interrupted} by a signal before the start
 */
export async function execWithIdentity({ reloading, ...options }: ExecOptions, command: readonly string[], deps: ExecDeps): Promise<number> {
	const { signals, logger } = deps;
	const { leaf } = await enrol({ ...options, signal: signals.interruption }, deps);
	logger.info('identity in place', { serial: leaf.serial });
	// Before the application reads it.
	const list = reloading?.reload && !reloading.ignoresLists ? followRevocationList(options.directory, { ...deps, now: () => performance.now() }) : undefined;
	const application = await startApplication(command);
	signals.forwardTo((signal) => void application.signal(signal));
	const children = keepReaped(application, deps);

	const ended = new AbortController();
	const failed = (message: string) => (error: unknown): void => {
		if (!ended.signal.aborted) logger.error(message, { error });
	};
	const publications = reloading && watchPublications(options.directory, logger);
	const reload = reloading && publications && keepReloaded(reloading, ended.signal, { ...deps, publications, ...(list && { list }), probe, tell: (how, signal) => tell(how, signal, { application, children }) })
		.catch(failed('the application will not be told of new certificates any more'));
	const look = (): void => (publications?.look(), list?.look());
	const renewal = keepRenewed(options.directory, ended.signal, { ...deps, onPublished: look })
		.catch(failed('renewal ended unexpectedly: the certificate in use ends at its date'));
	const code = await application.exited;
	ended.abort();
	await Promise.all([renewal, reload]);
	publications?.close();
	list?.close();
	return code;
}

/** Orphans are reaped; the application, and what else the agent starts, is left to who waits for it. */
function keepReaped(application: Application, { logger }: Pick<ExecDeps, 'logger'>): Children {
	const ours = new Set([application.pid]);
	let reap = (): void => {};
	try {
		reap = reapOrphans((pid) => ours.has(pid));
	} catch (error) {
		logger.warn('orphaned processes will not be reaped', { error });
	}
	return {
		began: (pid) => ours.add(pid),
		ended: (pid) => {
			ours.delete(pid);
			reap();
		},
	};
}
