/** As much of the engine's HTTP API as `birthmark doctor` asks for, on a socket. */

import { createServer } from 'node:http';
import { join } from 'node:path';
import { listenUnix } from '#common/runtime/listen.ts';
import { SENTINEL_VOLUME, type PluginStatus } from '#common/protocol/plugin-status.ts';
import type { HiddenBody } from '../../cli/engine-limits.ts';
import { temporaryFolder } from '../support/ca.ts';

export interface EngineApi {
	readonly plugins: ReadonlyArray<{ readonly Name: string; readonly Enabled: boolean }>;
	/** of the sentinel volume; without it there is no such volume */
	readonly status?: PluginStatus;
	/** what it does not show its plugin, as engines of that time do */
	readonly hides?: readonly HiddenBody[];
}

/** @returns the value for DOCKER_HOST */
export async function startEngineApi(t: { teardown(clean: () => unknown): void }, { plugins, status, hides = [] }: EngineApi): Promise<string> {
	const answers = new Map<string, object>([
		['/version', { Version: '20.10.24', ApiVersion: '1.41' }],
		['/info', { KernelVersion: '6.12.0', OperatingSystem: 'Debian GNU/Linux 12 (bookworm)', SecurityOptions: ['name=seccomp,profile=default'] }],
		['/plugins', plugins],
	]);
	if (status) answers.set(`/volumes/${SENTINEL_VOLUME}`, { Name: SENTINEL_VOLUME, Driver: 'birthmark:latest', Status: status });
	const server = createServer((request, response) => {
		if (request.url === '/containers/create' && request.method === 'POST') {
			const length = request.headers['content-length'];
			const hidden = length === undefined ? hides.includes('chunked') : hides.includes('large') && Number(length) >= 1024 * 1024;
			const [status, message] = hidden ? [403, 'authorization denied by plugin birthmark: its body was not seen [engine-request-unseen]'] : [400, 'invalid reference format: repository name must be lowercase'];
			request.resume().on('end', () => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ message })));
			return;
		}
		const answer = request.method === 'GET' ? answers.get(request.url!.replace(/^\/v[\d.]+/, '').replace(/\?.*$/, '')) : undefined;
		response.writeHead(answer ? 200 : 404, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer ?? { message: 'not found' }));
	});
	const path = join(temporaryFolder(t), 'docker.sock');
	await listenUnix(server, path, 0o600);
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	return `unix://${path}`;
}
