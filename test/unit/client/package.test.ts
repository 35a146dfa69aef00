/** The npm package that `make client` makes, installed elsewhere as anybody would. */

import test from 'ava';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildClient } from '../../../scripts/build-client.ts';
import { PROJECT } from '../../../scripts/paths.ts';
import { Steps } from '../../../scripts/steps.ts';
import { createPki } from '../../fakes/ca.ts';
import { identityDirectory } from '../../fakes/identity-directory.ts';
import { temporaryFolder } from '../../support/ca.ts';

const run = promisify(execFile);
const MODULES = join(PROJECT, 'node_modules');

const TYPED = `
import * as grpc from '@grpc/grpc-js';
import { createServer } from 'node:https';
import { createSecureServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:tls';
import * as undici from 'undici';
import { allow, BirthmarkError, guarded, identity, peerIdentity, type Identity, type IdentityWatch, type Party } from 'birthmark/client';
import { IdentityContainer } from 'birthmark/testcontainers';

const me: IdentityWatch = await identity({ directory: '/x', timeoutMs: 1 });
const check = allow({ organizationalUnit: ['web', 'batch'] });
me.follow(createServer(me.serverOptions(), guarded(check, (request, response, peer: Party) => response.end(request.url + peer.serial)))).listen(1);
me.follow(createSecureServer({ ...me.serverOptions(), allowHTTP1: true }, (request) => peerIdentity(request).dnsNames)).listen(1);
me.follow(createTlsServer(me.serverOptions(), (socket) => check(socket).commonName)).listen(1);
const dispatcher: undici.Dispatcher = me.dispatcher(undici, { peer: { commonName: 'api' }, agent: { connections: 1 } });
const server: grpc.ServerCredentials = me.grpcServerCredentials(grpc);
const channel: grpc.ChannelCredentials = me.grpcChannelCredentials(grpc, { peer: [{ spiffeId: 'spiffe://x/y' }] });
me.on('change', (current: Identity) => current.notAfter.getTime());
me.on('problem', (error) => error.code === 'identity-missing' && error instanceof BirthmarkError);
for await (const { key } of me) key.length;
new IdentityContainer('image', { commonName: 'api01', organizationalUnit: 'api' });
// @ts-expect-error an unknown field of a matcher is found before it runs
allow({ role: 'web' });
export { channel, dispatcher, server };
`;

test('the package installs without dependencies, runs as JavaScript, and has the types of what it is used with', async (t) => {
	t.timeout(180_000);
	const folder = temporaryFolder(t);
	const built = await buildClient(new Steps(join(folder, 'log')), join(folder, 'package'));
	const { stdout } = await run('npm', ['pack', '--json', built], { cwd: folder });
	const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
	const user = join(folder, 'user');
	mkdirSync(user);
	writeFileSync(join(user, 'package.json'), '{"type":"module","private":true}');
	await run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, filename)], { cwd: user });
	t.deepEqual(readdirSync(join(user, 'node_modules')).filter((name) => !name.startsWith('.')), ['birthmark']);

	const { directory, serial } = await identityDirectory(t, 'api01', await createPki());
	const program = `import { identity } from 'birthmark/client'; const me = await identity({ directory: process.argv[2] }); console.log(me.current.serial);`;
	writeFileSync(join(user, 'program.js'), program);
	t.is((await run(process.execPath, ['program.js', directory], { cwd: user })).stdout, `${serial}\n`);

	for (const name of ['@types/node', 'undici-types', 'undici', '@grpc/grpc-js', 'testcontainers', 'dockerode', '@types/dockerode']) {
		mkdirSync(dirname(join(user, 'node_modules', name)), { recursive: true });
		symlinkSync(join(MODULES, name), join(user, 'node_modules', name));
	}
	writeFileSync(join(user, 'typed.ts'), TYPED);
	const compilerOptions = { module: 'nodenext', target: 'esnext', strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false, types: ['node'] };
	writeFileSync(join(user, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.ts'] }));
	const checked = await run(join(MODULES, '.bin/tsc'), ['--project', user]).catch((error: { stdout: string }) => error);
	t.is(checked.stdout, '');
	for (const path of readdirSync(join(user, 'node_modules/birthmark'), { recursive: true }) as string[]) {
		if (path.endsWith('.js')) t.notRegex(readFileSync(join(user, 'node_modules/birthmark', path), 'utf8'), /from '#|\.ts'/, path);
	}
});
