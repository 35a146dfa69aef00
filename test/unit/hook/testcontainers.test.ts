import test from 'ava';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import tmp from 'tmp';

interface Create {
	readonly Labels: Record<string, string>;
	readonly Entrypoint: readonly string[];
	readonly Cmd: readonly string[];
	readonly Env: readonly string[];
	readonly HostConfig: { readonly Mounts: ReadonlyArray<{ Target: string; VolumeOptions: { DriverConfig: { Name: string } } }>; readonly PortBindings: Record<string, unknown> };
}

/** An engine that knows one image and takes notes of what it should create, but creates nothing. */
async function engine(t: { teardown(close: () => void): void }, created: Create[]): Promise<string> {
	const folder = tmp.dirSync({ unsafeCleanup: true });
	const server = createServer(async (request, response) => {
		const chunks: Buffer[] = [];
		for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
		const answer = (status: number, body: object) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
		if (request.url?.endsWith('/info')) return answer(200, { ServerVersion: '0', OperatingSystem: 'test', OSType: 'linux', Architecture: 'x86_64' });
		if (request.url?.includes('/images/')) return answer(200, { Id: 'sha256:0', Config: { Entrypoint: ['/entry'], Cmd: ['serve'] } });
		if (request.url?.includes('/containers/create')) {
			created.push(JSON.parse(Buffer.concat(chunks).toString()));
			return answer(507, { message: 'this engine creates nothing' });
		}
		if (request.url?.includes('/containers/json')) return answer(200, []);
		answer(404, { message: 'no such thing' });
	});
	const socket = join(folder.name, 'docker.sock');
	server.listen(socket);
	await once(server, 'listening');
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
		folder.removeCallback();
	});
	return `unix://${socket}`;
}

test('a testcontainers container asks for its identity and keeps what else was set', async (t) => {
	const created: Create[] = [];
	process.env['DOCKER_HOST'] = await engine(t, created);
	process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
	process.env['TESTCONTAINERS_HOST_OVERRIDE'] = 'localhost'; // no look at the machine's networks
	// After the environment is set: the module looks at it once.
	const { IdentityContainer } = await import('../../../hook/testcontainers.ts');
	const container = new IdentityContainer('my/api', { commonName: 'api01', organizationalUnit: 'web-api', dnsNames: ['api'] }).withCommand(['check']).withEnvironment({ A: '1' }).withExposedPorts(8443);
	await t.throwsAsync(container.start(), { message: /creates nothing/ });

	const [body] = created;
	t.deepEqual(body?.Entrypoint, ['/run/birthmark/bin/birthmark-agent', 'exec', '--', '/entry']);
	t.deepEqual(body?.Cmd, ['check']);
	t.like(body?.Labels, { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api', 'birthmark.dns': 'api', 'org.testcontainers': 'true' });
	t.deepEqual(body?.HostConfig.Mounts.map((mount) => [mount.Target, mount.VolumeOptions.DriverConfig.Name]), [['/run/birthmark', 'birthmark']]);
	t.true(body?.Env.includes('A=1'));
	t.true('8443/tcp' in (body?.HostConfig.PortBindings ?? {}));

	// testcontainers allows to start from one description again, and to change it in between.
	await t.throwsAsync(container.withCommand(['serve']).start(), { message: /creates nothing/ });
	t.deepEqual(created[1]?.Entrypoint, body?.Entrypoint);
	t.deepEqual(created[1]?.Cmd, ['serve']);
	t.deepEqual(created[1]?.HostConfig.Mounts, body?.HostConfig.Mounts);
});
