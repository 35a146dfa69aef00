/**
 * An orderly end. As PID 1 Node has no default action for SIGTERM: a service that does not ask for
 * the signal is killed after the engine's grace period.
 */

import type { Logger } from './log.ts';

const DEADLINE_SECONDS = 10;

/**
 * Runs `close` once at the first SIGTERM or SIGINT, then exits: 0 when it succeeded, 1 when it
 * failed or took longer than ten seconds. Further signals change nothing.
 */
export function onShutdown(logger: Pick<Logger, 'info' | 'error'>, close: () => Promise<void>): void {
	let closing = false;
	const handle = async (signal: NodeJS.Signals) => {
		if (closing) return;
		closing = true;
		logger.info('stopping', { signal });
		// Keeps the process alive: when all that is left is a promise, Node would end it, with 0.
		setTimeout(() => {
			logger.error('stopping took too long', { seconds: DEADLINE_SECONDS });
			process.exit(1);
		}, DEADLINE_SECONDS * 1000);
		try {
			await close();
			process.exit(0);
		} catch (error) {
			logger.error('stopping failed', { error });
			process.exit(1);
		}
	};
	process.on('SIGTERM', (signal) => void handle(signal));
	process.on('SIGINT', (signal) => void handle(signal));
}
