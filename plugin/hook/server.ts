/**
 * The socket on which `birthmark-runtime` asks, below the host's run directory, where it stays the same
 * when the plugin is replaced. Only root reaches it: it lies in a directory of root alone, which no
 * container may bind.
 */

import { mkdir } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { errorCode } from '#common/protocol/errors.ts';
import { closeServer, listenUnix } from '#common/runtime/listen.ts';
import type { Logger } from '#common/runtime/log.ts';
import { refusalText } from '../refusal.ts';
import { answerBirth, endByRuntime, type HookDeps, type Prepared } from './births.ts';
import { encodeAnswer, QuestionReader, type Answer, type Question } from './wire.ts';

/** Of the socket, in the run directory. */
export const HOOK_SOCKET = 'birthmark/hook.sock';
/** One for each container that starts or ends at this moment. */
const MAX_CONNECTIONS = 1024;
const BACKLOG = 4096;
/** How long a question may take to arrive, and an answer to be taken. */
const ARRIVAL_MS = 20_000;

export interface HookServerDeps extends HookDeps {
	readonly logger: Logger;
}

export interface HookServer {
	/** @throws Error when the socket cannot be made */
	listen(path: string): Promise<void>;
	/** Stops listening and cuts all connections. */
	close(): Promise<void>;
}

export function createHookServer(deps: HookServerDeps): HookServer {
	const { logger } = deps;
	const open = new Set<Socket>();
	const server = createServer({ allowHalfOpen: true }, (socket) => {
		open.add(socket);
		socket.on('close', () => open.delete(socket));
		socket.on('error', (error) => logger.debug('a connection of the runtime broke', { error }));
		socket.setTimeout(ARRIVAL_MS, () => socket.destroy());
		serve(socket);
	});
	server.maxConnections = MAX_CONNECTIONS;

	function serve(socket: Socket): void {
		const reader = new QuestionReader();
		socket.on('end', () => socket.destroy());
		socket.on('data', (bytes: Buffer) => {
			try {
				const question = reader.push(bytes);
				if (!question) return;
				// How long the start waits for a CA that is away is not for this socket to say.
				socket.setTimeout(0);
				void answer(socket, question);
			} catch (error) {
				logger.error('what came is no question of birthmark-runtime', { code: errorCode(error), error });
				socket.removeAllListeners('data').resume();
				reply(socket, { verdict: 'refused', sentence: refusalText(error) });
			}
		});
	}

	async function answer(socket: Socket, question: Question): Promise<void> {
		const { answer: said, abandon } = await judge(question);
		if (!socket.destroyed) return reply(socket, said);
		// Whoever asked has been ended: nothing comes of the container.
		await abandon?.().catch((error: unknown) => logger.error('a start that nobody waits for could not be ended', { containerId: question.containerId, error }));
	}

	async function judge(question: Question): Promise<Prepared> {
		if (question.verb !== 'ended') return answerBirth(deps, question);
		await endByRuntime(deps, question).catch((error: unknown) => logger.error('the end of a start could not be recorded', { containerId: question.containerId, error }));
		return { answer: { verdict: 'unchanged' } };
	}

	function reply(socket: Socket, said: Answer): void {
		socket.setTimeout(ARRIVAL_MS);
		socket.end(encodeAnswer(said));
	}

	return {
		async listen(path) {
			await mkdir(dirname(path), { recursive: true, mode: 0o700 });
			await listenUnix(server, path, 0o600, BACKLOG);
			// Without a listener an accept that fails, e.g. for want of file descriptors, would end the plugin.
			server.on('error', (error) => logger.error('a connection of the runtime could not be accepted', { error }));
		},
		async close() {
			const closed = closeServer(server);
			for (const socket of open) socket.destroy();
			await closed;
		},
	};
}
