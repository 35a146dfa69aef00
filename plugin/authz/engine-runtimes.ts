/**
 * What the engine says of its runtimes. It says it together with much else (`/info`), which takes it tens
 * of milliseconds, and it changes only when the engine reads daemon.json again, which the engine tells.
 * So its answer holds until then; while nobody would hear of it each question is asked anew.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#common/runtime/log.ts';
import type { EngineInfo } from '../docker.ts';
import type { ReloadWatch } from '../engine-reloads.ts';

export interface EngineRuntimes {
	/** As far as the engine has told: right after a reload it may be the answer of before. @throws BirthmarkError `engine-unavailable` */
	known(): Promise<EngineInfo>;
	/** Asks now. @throws BirthmarkError `engine-unavailable` */
	ask(): Promise<EngineInfo>;
}

interface EngineRuntimesDeps {
	readonly engine: {
		info(): Promise<EngineInfo>;
		followReloads(watch: ReloadWatch, signal: AbortSignal): Promise<void>;
	};
	readonly logger: Pick<Logger, 'debug'>;
	readonly pauseMs?: number;
}

/** The API of an engine that starts is away for some seconds. */
const PAUSE_MS = 1_000;

export interface FollowedRuntimes extends EngineRuntimes {
	/** @param listener called whenever the engine may have other settings than before */
	whenReloaded(listener: () => void): void;
	close(): void;
}

export function followEngineRuntimes({ engine, logger, pauseMs = PAUSE_MS }: EngineRuntimesDeps): FollowedRuntimes {
	const closing = new AbortController();
	let isFollowing = false;
	let answer: Promise<EngineInfo> | undefined;
	let onReload = (): void => undefined;
	const forget = (): void => void (answer = undefined);
	const reloaded = (): void => {
		forget();
		onReload();
	};

	async function follow(): Promise<void> {
		while (!closing.signal.aborted) {
			const onBegin = (): void => {
				reloaded();
				isFollowing = true;
			};
			await engine.followReloads({ onBegin, onReload: reloaded }, closing.signal).catch((error: unknown) => logger.debug('the engine\'s reloads cannot be followed', { error }));
			isFollowing = false;
			forget();
			await sleep(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
		}
	}

	function remember(): Promise<EngineInfo> {
		const asked = engine.info();
		answer = asked;
		asked.catch(() => {
			if (answer === asked) forget();
		});
		return asked;
	}

	void follow();
	return {
		known: () => (isFollowing ? (answer ?? remember()) : engine.info()),
		ask: () => engine.info(),
		whenReloaded: (listener) => void (onReload = listener),
		close: () => closing.abort(),
	};
}
