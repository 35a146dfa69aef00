/** The compiled agent as it lies on an identity volume, when `make build` has made it. */

import test, { type ExecutionContext } from 'ava';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VERSION } from '#common/protocol/version.ts';
import { AGENT_PATH } from '../../../hook/command.ts';
import { badCertificates, forClientsOnly } from '../../fakes/bad-certificates.ts';
import { createPki, FakeCa, type Fault } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';
import { startCa } from '../../support/ca.ts';

const build = fileURLToPath(new URL('../../../build/agent', import.meta.url));
// A mount namespace of one's own, which some machines keep from their users, stands for the container.
const canRun = existsSync(build) && spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status === 0;
const MOUNT = 'mount -t tmpfs tmpfs /run && mkdir /run/birthmark && mount --bind "$1" /run/birthmark && shift && exec env "$@"';

/** Runs `birthmark-agent version` with more in its environment. */
function version(directory: string, ...environment: string[]): { stdout: string; stderr: string } {
	return spawnSync('unshare', ['--map-root-user', '--mount', 'sh', '-c', MOUNT, 'sh', build, ...environment, AGENT_PATH, 'version'], { encoding: 'utf8', cwd: directory });
}

const expected = `birthmark-agent ${VERSION}\n`;

(canRun ? test : test.skip)('the agent runs with its own C library, whatever library path the application has', (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'libc.so.6'), 'the libc of some image');
	t.like(version(directory, `LD_LIBRARY_PATH=${directory}`), { stdout: expected, stderr: '' });
});

(canRun ? test : test.skip)('the agent reads no settings of its runtime, neither from the environment nor from the working directory', (t) => {
	const directory = tmpfsDirectory(t);
	const evil = join(directory, 'evil.js');
	writeFileSync(evil, 'console.log("evil")');
	writeFileSync(join(directory, '.env'), 'BIRTHMARK_LOG=debug');
	writeFileSync(join(directory, 'bunfig.toml'), `preload = ["${evil}"]`);
	const hostile = ['BUN_BE_BUN=1', 'BUN_OPTIONS=--version', 'BUN_INSPECT=1', `BUN_INSPECT_PRELOAD=${evil}`, `NODE_OPTIONS=--require ${evil}`, 'BUN_JSC_nonsense=1', 'MIMALLOC_VERBOSE=1', 'MIMALLOC_SHOW_STATS=1'];
	t.like(version(directory, ...hostile), { stdout: expected, stderr: '' });
});

(canRun ? test : test.skip)('the application gets its arguments and the environment of the container byte for byte, with what the runtime does not get', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'token'), await ca.mint(node, id));
	const application = ['sh', '-c', 'printf "%s|" "$@"; tr "\\0" "|" < /proc/self/environ', 'sh'];
	const script = `bytes=$(printf '\\377\\376'); exec env -i PATH="$PATH" BUN_JSC_useJIT=1 NODE_ENV=test BIRTHMARK_LD_BIND_NOW=1 A= B="$bytes" "$@" "$bytes" '' --`;
	const child = spawn('unshare', ['--map-root-user', '--mount', 'sh', '-c', MOUNT, 'sh', build, 'sh', '-c', script, 'sh', AGENT_PATH, 'exec', '--dir', directory, '--ca-url', ca.url, '--', ...application], { stdio: ['ignore', 'pipe', 'inherit'] });
	const chunks: Buffer[] = [];
	for await (const chunk of child.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
	t.is(Buffer.concat(chunks).toString('latin1'), `\xff\xfe||--|PATH=${process.env['PATH']}|BUN_JSC_useJIT=1|NODE_ENV=test|LD_BIND_NOW=1|A=|B=\xff\xfe|`);
});

// The same as in enrol.test.ts, which runs on Node: TLS is another one here, and other code asks it.
const pki = await createPki();
const otherPki = await createPki('Other');

/** @returns what is in the directory after `birthmark-agent once`, and what it said */
async function enrol(t: ExecutionContext, fault?: Fault): Promise<{ files: string[]; stderr: string }> {
	const ca = await FakeCa.start(t, pki);
	if (fault) ca.faults.sign.push(fault);
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'token'), ca.mintToken());
	const child = spawn('unshare', ['--map-root-user', '--mount', 'sh', '-c', MOUNT, 'sh', build, AGENT_PATH, 'once', '--dir', directory, '--ca-url', ca.url], { stdio: ['ignore', 'ignore', 'pipe'] });
	let stderr = '';
	child.stderr.on('data', (chunk: Buffer) => void (stderr += chunk.toString()));
	await once(child, 'close');
	return { files: readdirSync(directory), stderr };
}

for (const [what, fault] of badCertificates(pki, otherPki)) {
	(canRun ? test : test.skip)(`the compiled agent does not publish a certificate ${what}`, async (t) => {
		const { files, stderr } = await enrol(t, fault());
		t.regex(stderr, /^birthmark: .* \[certificate-invalid\]\n$/);
		t.deepEqual(files, ['token']);
	});
}

for (const [what, fault] of [['for servers and clients', undefined], ['for clients only', forClientsOnly]] as const) {
	(canRun ? test : test.skip)(`the compiled agent publishes a certificate ${what}`, async (t) => {
		const { files, stderr } = await enrol(t, fault);
		t.is(stderr, '');
		t.true(files.includes('identity.pem') && !files.includes('token'));
	});
}
