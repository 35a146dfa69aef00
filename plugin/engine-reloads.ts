/**
 * The engine says when it has read daemon.json again: an event `reload` of the daemon (`GET /events`; moby,
 * daemon/reload.go, 1.13 to 29). 20.10 says so some ten milliseconds after the new settings are in force.
 */

import { request as httpRequest } from 'node:http';
import { BirthmarkError } from '#common/protocol/errors.ts';

/** The engine answers before there is anything to tell. */
const DEADLINE_MS = 5_000;
const FILTERS = JSON.stringify({ type: ['daemon'], event: ['reload'] });
/** The engine answers a moment before it listens to itself: it repeats what happened since then. */
const REPEATED_SECONDS = 2;

export interface ReloadWatch {
	/** from now on no reload is missed until the returned promise settles */
	readonly onBegin: () => void;
	/** once or more for each reload, and perhaps for one before */
	readonly onReload: () => void;
}

/**
 * @param engine its unix socket, and what is sent with every call
 * @returns when the connection is over
 * @throws Error when it cannot be followed, or when `signal` is aborted
 */
export function followReloads({ socketPath, headers }: { readonly socketPath: string; readonly headers: Readonly<Record<string, string>> }, { onBegin, onReload }: ReloadWatch, signal: AbortSignal): Promise<void> {
	const path = `/events?since=${Math.floor(Date.now() / 1000) - REPEATED_SECONDS}&filters=${encodeURIComponent(FILTERS)}`;
	return new Promise((resolve, reject) => {
		const request = httpRequest({ socketPath, path, headers: { ...headers, host: 'docker' }, agent: false, signal }, (answer) => {
			clearTimeout(deadline);
			if (answer.statusCode !== 200) return void request.destroy(new BirthmarkError('engine-unavailable', `the engine answered ${answer.statusCode} to /events`));
			onBegin();
			// Nothing but reloads was asked for, so what they say need not be read.
			answer.on('data', onReload);
			answer.on('error', () => resolve());
		});
		const deadline = setTimeout(() => request.destroy(new BirthmarkError('engine-unavailable', 'the engine does not answer to /events')), DEADLINE_MS);
		request.on('error', reject);
		request.on('close', () => {
			clearTimeout(deadline);
			resolve();
		});
		request.end();
	});
}
