/** The examples of docs/client.md, run as they stand: each client against each server that speaks its protocol. */

import test, { type ExecutionContext } from 'ava';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPki } from '../../fakes/ca.ts';
import { identityDirectory } from '../../fakes/identity-directory.ts';
import { freePort } from '../../../scripts/ports.ts';

const PAGE = readFileSync(new URL('../../../docs/client.md', import.meta.url), 'utf8');
const EXAMPLES = [...PAGE.matchAll(/^```js (server|client)\n([\s\S]*?)^```$/gm)].map(([, role, code]) => ({ role: role!, code: code!, isGrpc: code!.includes('grpc') }));
const SERVERS = EXAMPLES.filter(({ role }) => role === 'server');
const CLIENTS = EXAMPLES.filter(({ role }) => role === 'client');

const pki = await createPki();

/** Here the names of the page are this machine, and the volume is a directory of the test. */
function run(t: ExecutionContext, code: string, directory: string, port: number): ChildProcess {
	const here = code
		.replace('identity()', `identity({ directory: ${JSON.stringify(directory)} })`)
		.replaceAll('8443', String(port))
		.replaceAll('api01', 'localhost')
		.replaceAll("organizationalUnit: 'api'", "organizationalUnit: 'web-api'")
		.replaceAll("organizationalUnit: 'web'", "organizationalUnit: 'web-api'");
	const child = spawn(process.execPath, ['--input-type=module', '-e', here], { stdio: ['ignore', 'pipe', 'inherit'] });
	t.teardown(() => child.kill('SIGKILL'));
	return child;
}

async function listening(port: number): Promise<void> {
	for (;;) {
		const socket = createConnection({ port, host: '127.0.0.1' });
		const isOpen = await new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)));
		socket.destroy();
		if (isOpen) return;
		await sleep(25);
	}
}

test('there are examples', (t) => {
	t.is(SERVERS.length, 3);
	t.is(CLIENTS.length, 5);
});

for (const [at, { code, isGrpc }] of SERVERS.entries()) {
	test.serial(`clients of the page are answered by its server ${at + 1}`, async (t) => {
		t.timeout(180_000);
		const { directory } = await identityDirectory(t, 'localhost', pki);
		const client = await identityDirectory(t, 'web01', pki);
		const port = await freePort();
		run(t, code, directory, port);
		await listening(port);
		const answers = await Promise.all(CLIENTS.filter((example) => example.isGrpc === isGrpc).map(async (example) => {
			const child = run(t, example.code, client.directory, port);
			let output = '';
			child.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
			await once(child, 'close');
			return output;
		}));
		for (const answer of answers) t.regex(answer, /^hello web01, this is (localhost|the first of many)\n$/);
	});
}
