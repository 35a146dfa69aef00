/**
 * One connection of the engine: a call, its answer, the next call. The engine keeps connections and
 * sends the next call as soon as it has the answer, so an answer that is known at once is written
 * at once, without a turn of the event loop in between (docs/adr/0030).
 */

import type { Socket } from 'node:net';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import { refusalText } from '../refusal.ts';
import { encodeAnswer } from './answer.ts';
import { MessageReader, type Message } from './message-reader.ts';

/** How long a call that has begun may take to arrive. Between calls a connection may rest for ever. */
const ARRIVAL_MS = 30_000;

/** Answers one call. May throw: the caller gets a status that is neither repeated nor a yes. */
export type Answerer = (message: Message) => Buffer | Promise<Buffer>;

/** Serves a connection until either side ends it. */
export function serveConnection(socket: Socket, answer: Answerer, logger: Pick<Logger, 'error' | 'debug'>): void {
	const reader = new MessageReader();
	let answering = false;
	let arriving = false;

	socket.on('data', read);
	socket.on('timeout', () => socket.destroy());
	socket.on('error', (error) => logger.debug('a connection of the engine broke', { error }));

	function read(bytes: Buffer): void {
		// Whoever asks again before he has his answer is not the engine.
		if (answering || socket.writableLength > 0) return void socket.destroy();
		let message: Message | undefined;
		try {
			message = reader.push(bytes);
		} catch (error) {
			logger.error('what came is no call of an engine', { code: errorCode(error), error });
			// The rest is not kept, nor looked at; who closes with it unread takes the answer away.
			socket.off('data', read).resume().setTimeout(ARRIVAL_MS);
			return void socket.end(encodeAnswer(statusOf(error), failure(error)));
		}
		if (arriving !== (message === undefined)) {
			arriving = !arriving;
			socket.setTimeout(arriving ? ARRIVAL_MS : 0);
		}
		if (message) reply(message);
	}

	function reply(message: Message): void {
		try {
			const answered = answer(message);
			if (answered instanceof Promise) void replyLater(message, answered);
			else socket.write(answered);
		} catch (error) {
			socket.write(failed(message, error));
		}
	}

	async function replyLater(message: Message, answered: Promise<Buffer>): Promise<void> {
		answering = true;
		const bytes = await answered.catch((error: unknown) => failed(message, error));
		answering = false;
		// It may be gone: the engine does not wait for ever.
		if (!socket.destroyed) socket.write(bytes);
	}

	function failed({ route }: Message, error: unknown): Buffer {
		logger.error('a call of the engine could not be answered', { route, code: errorCode(error), error });
		return encodeAnswer(500, failure(error));
	}
}

function statusOf(error: unknown): number {
	return error instanceof BirthmarkError && error.code === 'request-too-large' ? 413 : 400;
}

/** For either protocol: the volume driver's field, and those of a verdict. */
function failure(error: unknown): object {
	return { Err: refusalText(error), Msg: refusalText(error), Allow: false };
}
