/** An engine that knows one image and takes notes of what it should create, but creates nothing. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import tmp from 'tmp';

export interface Create {
	readonly Labels: Record<string, string>;
	readonly Entrypoint?: readonly string[];
	readonly Cmd: readonly string[];
	readonly Env: readonly string[];
	readonly HostConfig: {
		readonly Runtime?: string;
		readonly Mounts?: ReadonlyArray<{ Target: string; VolumeOptions: { DriverConfig: { Name: string } } }>;
		readonly PortBindings: Record<string, unknown>;
	};
}

export interface CreatingEngine {
	/** as in DOCKER_HOST */
	readonly host: string;
	readonly created: Create[];
	/** what it says of itself besides what every engine does; may change */
	info: object;
	/** what it says of the plugin; undefined when it has none */
	plugin: object | undefined;
	/** what the plugin was told, each time; it cannot be enabled */
	readonly settings: string[][];
}

export async function startCreatingEngine(t: { teardown(close: () => void): void }): Promise<CreatingEngine> {
	const folder = tmp.dirSync({ unsafeCleanup: true });
	const socket = join(folder.name, 'docker.sock');
	const engine: CreatingEngine = { host: `unix://${socket}`, created: [], info: {}, plugin: undefined, settings: [] };
	const server = createServer(async (request, response) => {
		const chunks: Buffer[] = [];
		for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
		const answer = (status: number, body: object) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
		if (request.url?.endsWith('/info')) return answer(200, { ServerVersion: '0', OperatingSystem: 'test', OSType: 'linux', Architecture: 'x86_64', ...engine.info });
		if (request.url?.includes('/images/')) return answer(200, { Id: 'sha256:0', Config: { Entrypoint: ['/entry'], Cmd: ['serve'] } });
		if (engine.plugin && request.url?.includes('/enable')) return answer(500, { message: 'this engine enables nothing' });
		if (engine.plugin && request.url?.includes('/set')) engine.settings.push(JSON.parse(Buffer.concat(chunks).toString()) as string[]);
		if (request.url?.includes('/plugins/') && engine.plugin) return answer(200, engine.plugin);
		if (request.url?.includes('/containers/create')) {
			engine.created.push(JSON.parse(Buffer.concat(chunks).toString()) as Create);
			return answer(507, { message: 'this engine creates nothing' });
		}
		if (request.url?.includes('/containers/json')) return answer(200, []);
		answer(404, { message: 'no such thing' });
	});
	server.listen(socket);
	await once(server, 'listening');
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
		folder.removeCallback();
	});
	return engine;
}
