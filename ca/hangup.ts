/** SIGHUP: a service reads its configuration again (by the custom of daemons; without a handler the signal would end it). */

import type { Logger } from '#common/runtime/log.ts';

/**
 * Runs `reload` at each SIGHUP, one run after the other; signals during a run lead to one more. What it
 * throws is logged: the service goes on with the configuration that it has.
 */
export function onHangup(logger: Pick<Logger, 'info' | 'error'>, reload: () => Promise<void>): void {
	let isRunning = false;
	let isWanted = false;
	process.on('SIGHUP', async (signal) => {
		isWanted = true;
		if (isRunning) return;
		isRunning = true;
		logger.info('reading the configuration again', { signal });
		while (isWanted) {
			isWanted = false;
			try {
				await reload();
			} catch (error) {
				logger.error('the configuration stays as it was', { error });
			}
		}
		isRunning = false;
	});
}
