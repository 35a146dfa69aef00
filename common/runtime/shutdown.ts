/**
 * An orderly end. As PID 1 Node has no default action for SIGTERM: a service that does not ask for
 * the signal is killed after the engine's grace period.
 */

import type { Logger } from './log.ts';

const DEADLINE_SECONDS = 10;

/**
 * Runs `close` once at the first SIGTERM or SIGINT, then exits: 0 when it succeeded, 1 when it
 * failed or took longer than ten seconds.
 */
export function onShutdown(logger: Logger, close: () => Promise<void>): void {
	let closing = false;
	const handle = (signal: NodeJS.Signals) => {
		if (closing) return;
		closing = true;
		logger.info('stopping', { signal });
		const deadline = setTimeout(() => {
			logger.error('stopping took too long', { seconds: DEADLINE_SECONDS });
			process.exit(1);
		}, DEADLINE_SECONDS * 1000);
		deadline.unref();
		close().then(
			() => process.exit(0),
			(error: unknown) => {
				logger.error('stopping failed', { error });
				process.exit(1);
			},
		);
	};
	process.on('SIGTERM', handle);
	process.on('SIGINT', handle);
}
