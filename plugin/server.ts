/**
 * The plugin protocol (moby, docs/extend/plugin_api.md): JSON over HTTP POST on a unix socket.
 * What cannot be read gets a status other than 200, which the engine neither repeats nor lets pass.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import { parseEngineCall, type EngineCall } from './authz/engine-call.ts';
import type { Verdict } from './authz/authorizer.ts';
import { refusalText } from './refusal.ts';
import type { VolumeDriver, VolumeRequest } from './volume/driver.ts';

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json';
/** The engine shows bodies up to 4 MiB in base64, twice on the way back. */
const MAX_BYTES = 16 * 1024 * 1024;
/** The engine keeps its connections; ours must not be the side that closes one under a call. */
const KEEP_ALIVE_MS = 24 * 60 * 60 * 1000;

export interface PluginServerDeps {
	readonly authorizeRequest: (call: EngineCall) => Promise<Verdict>;
	readonly authorizeResponse: (call: EngineCall) => Promise<Verdict>;
	readonly volumeDriver: VolumeDriver;
	readonly logger: Logger;
}

type Handler = (body: string) => Promise<object>;

export function createPluginServer(deps: PluginServerDeps): Server {
	const handlers = new Map<string, Handler>([
		['/Plugin.Activate', async () => ({ Implements: ['VolumeDriver', 'authz'] })],
		['/AuthZPlugin.AuthZReq', (body) => deps.authorizeRequest(parseEngineCall(body))],
		['/AuthZPlugin.AuthZRes', (body) => deps.authorizeResponse(parseEngineCall(body))],
	]);
	for (const [method, handle] of Object.entries(deps.volumeDriver)) handlers.set('/' + method, (body) => volumeCall(deps.logger, method, handle, body));

	const server = createServer((request, response) => {
		answer(handlers.get(request.url ?? ''), request, response).catch((error: unknown) => {
			deps.logger.error('a call of the engine could not be answered', { route: request.url ?? '', code: errorCode(error), error });
			send(response, 500, { Err: refusalText(error), Msg: refusalText(error), Allow: false });
		});
	});
	server.keepAliveTimeout = KEEP_ALIVE_MS;
	// Mount may take as long as the grace for an absent CA; the engine has time-outs of its own.
	server.requestTimeout = 0;
	return server;
}

async function answer(handle: Handler | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
	if (!handle || request.method !== 'POST') return send(response, 404, { Err: 'birthmark: there is no such call [not-found]' });
	send(response, 200, await handle(await read(request)));
}

/** Refusals of the volume driver are a 200 with `Err`. */
async function volumeCall(logger: Logger, method: string, handle: (request: VolumeRequest) => Promise<object>, body: string): Promise<object> {
	const request = parseVolumeRequest(body, method);
	try {
		return { ...(await handle(request)), Err: '' };
	} catch (error) {
		// Before it creates a volume, the engine asks whether it is there.
		if (errorCode(error) === 'volume-unknown' && method === 'VolumeDriver.Get') return { Err: refusalText(error) };
		if (error instanceof BirthmarkError) logger.info('refused', { route: method, code: error.code, reason: error.message });
		else logger.error('refused', { route: method, error });
		return { Err: refusalText(error) };
	}
}

/** The engine repeats a call with an empty body when the connection broke; only calls without arguments may have none. */
function parseVolumeRequest(body: string, method: string): VolumeRequest {
	if (body.trim() === '') return {};
	const value: unknown = JSON.parse(body);
	if (typeof value !== 'object' || value === null) throw new BirthmarkError('request-malformed', `the engine sent no object to ${method}`);
	return value;
}

function read(request: IncomingMessage): Promise<string> {
	return new Promise((resolve, reject) => {
		const chunks: Buffer[] = [];
		let size = 0;
		request.on('data', (chunk: Buffer) => {
			size += chunk.length;
			if (size > MAX_BYTES) reject(new BirthmarkError('request-too-large'));
			else chunks.push(chunk);
		});
		request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
		request.on('error', reject);
	});
}

function send(response: ServerResponse, status: number, value: object): void {
	const body = JSON.stringify(value);
	response.writeHead(status, { 'content-type': CONTENT_TYPE, 'content-length': Buffer.byteLength(body) });
	response.end(body);
}
