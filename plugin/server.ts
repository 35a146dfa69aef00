/**
 * The plugin protocol (moby, docs/extend/plugin_api.md): JSON over HTTP POST on a unix socket.
 * What cannot be read gets a status other than 200, which the engine neither repeats nor lets pass.
 */

import { createServer, type Socket } from 'node:net';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { closeServer, listenUnix } from '#common/runtime/listen.ts';
import type { Logger } from '#common/runtime/log.ts';
import { parseEngineCall, type EngineCall } from './authz/engine-call.ts';
import type { Verdict } from './authz/authorizer.ts';
import { refusalText } from './refusal.ts';
import type { VolumeDriver, VolumeRequest } from './volume/driver.ts';
import { encodeAnswer } from './wire/answer.ts';
import { serveConnection } from './wire/connection.ts';
import type { Message } from './wire/message-reader.ts';

export interface PluginServerDeps {
	/** for calls that concern nothing of ours, asked first: true lets them pass unread (authz/unconcerned.ts) */
	readonly passes: { readonly request: (message: Buffer) => boolean; readonly response: (message: Buffer) => boolean };
	readonly authorizeRequest: (call: EngineCall) => Promise<Verdict>;
	readonly authorizeResponse: (call: EngineCall) => Promise<Verdict>;
	readonly volumeDriver: VolumeDriver;
	readonly logger: Logger;
}

export interface PluginServer {
	listen(socketPath: string): Promise<void>;
	/** the engine has seen that the plugin is there, by a connection on which it says nothing: one that ends before that it gives up (moby, pluginPostStart) */
	readonly seen: Promise<void>;
	isSeen(): boolean;
	/** Stops listening and cuts all connections. */
	close(): Promise<void>;
}

type Handler = (body: Buffer) => Buffer | Promise<Buffer>;

const ACTIVATION = encodeAnswer(200, { Implements: ['VolumeDriver', 'authz'] });
const ALLOWED = encodeAnswer(200, { Allow: true });
const NO_SUCH_CALL = encodeAnswer(404, { Err: 'birthmark: there is no such call [not-found]' });
/** The engine opens a connection for each call that it makes at the same time; one that is not accepted costs it a second. */
const BACKLOG = 4096;

export function createPluginServer(deps: PluginServerDeps): PluginServer {
	const { passes, authorizeRequest, authorizeResponse, volumeDriver, logger } = deps;
	const handlers = new Map<string, Handler>([
		['/Plugin.Activate', () => ACTIVATION],
		['/AuthZPlugin.AuthZReq', (body) => (passes.request(body) ? ALLOWED : verdict(authorizeRequest, body))],
		['/AuthZPlugin.AuthZRes', (body) => (passes.response(body) ? ALLOWED : verdict(authorizeResponse, body))],
	]);
	for (const [method, handle] of Object.entries(volumeDriver)) handlers.set('/' + method, (body) => volumeCall(logger, method, handle, body));

	const answer = ({ method, route, body }: Message): Buffer | Promise<Buffer> => (method === 'POST' ? handlers.get(route)?.(body) : undefined) ?? NO_SUCH_CALL;
	const open = new Set<Socket>();
	const { promise: seen, resolve: see } = Promise.withResolvers<void>();
	let isSeen = false;
	const server = createServer((socket) => {
		open.add(socket);
		socket.on('close', () => {
			open.delete(socket);
			if (socket.bytesRead > 0 || isSeen) return;
			isSeen = true;
			see();
		});
		serveConnection(socket, answer, logger);
	});

	return {
		seen,
		isSeen: () => isSeen,
		async listen(socketPath) {
			await listenUnix(server, socketPath, 0o600, BACKLOG);
			// Without a listener an accept that fails, e.g. for want of file descriptors, would end the plugin.
			server.on('error', (error) => logger.error('a connection of the engine could not be accepted', { error }));
		},
		async close() {
			const closed = closeServer(server);
			for (const socket of open) socket.destroy();
			await closed;
		},
	};
}

async function verdict(authorize: (call: EngineCall) => Promise<Verdict>, body: Buffer): Promise<Buffer> {
	return encodeAnswer(200, await authorize(parseEngineCall(body.toString('utf8'))));
}

/** Refusals of the volume driver are a 200 with `Err`. */
async function volumeCall(logger: Logger, method: string, handle: (request: VolumeRequest) => Promise<object>, body: Buffer): Promise<Buffer> {
	const request = parseVolumeRequest(body.toString('utf8'), method);
	try {
		return encodeAnswer(200, { ...(await handle(request)), Err: '' });
	} catch (error) {
		// Before it creates a volume, the engine asks whether it is there.
		const isQuestion = errorCode(error) === 'volume-unknown' && method === 'VolumeDriver.Get';
		if (error instanceof BirthmarkError && !isQuestion) logger.info('refused', { route: method, code: error.code, reason: error.message });
		else if (!isQuestion) logger.error('refused', { route: method, error });
		return encodeAnswer(200, { Err: refusalText(error) });
	}
}

/** The engine repeats a call with an empty body when the connection broke; only calls without arguments may have none. */
function parseVolumeRequest(body: string, method: string): VolumeRequest {
	if (body.trim() === '') return {};
	const value: unknown = JSON.parse(body);
	if (typeof value !== 'object' || value === null) throw new BirthmarkError('request-malformed', `the engine sent no object to ${method}`);
	return value;
}
