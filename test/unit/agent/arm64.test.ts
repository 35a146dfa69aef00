/** The agent for arm64 as `make build-arm64` has made it: looked into, and run under an emulator against a real CA. */

import test from 'ava';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VERSION } from '#common/protocol/version.ts';
import { AGENT_PATH } from '../../../hook/command.ts';
import { ARM64, EMULATOR } from '../../../scripts/build-arm64.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';
import { startCa } from '../../support/ca.ts';

const build = join(ARM64, 'agent');
const isBuilt = existsSync(join(ARM64, 'agent.stamp'));
// It takes packages of 140 MB, so not everybody has it.
const built = isBuilt || process.env['BIRTHMARK_REQUIRE_ARM64'] ? test : test.skip;
const EM_AARCH64 = 183;
const MOUNT = 'mount -t tmpfs tmpfs /run && mkdir /run/birthmark && mount --bind "$1" /run/birthmark && shift && exec "$@"';
const inMount = (...command: string[]): string[] => ['--map-root-user', '--mount', 'sh', '-c', MOUNT, 'sh', build, EMULATOR, ...command];

built('every file is for arm64, with a loader and libraries of its own', (t) => {
	const files = readdirSync(join(build, 'bin'));
	t.deepEqual(files, ['birthmark-agent', 'ld-linux-aarch64.so.1', 'libbirthmark-start.so', 'libc.so.6', 'libdl.so.2', 'libm.so.6', 'libpthread.so.0']);
	for (const file of files) {
		const elf = readFileSync(join(build, 'bin', file)).subarray(0, 20);
		t.is(elf.toString('latin1', 0, 5), '\x7fELF\x02', file);
		t.is(elf.readUInt16LE(18), EM_AARCH64, file);
	}
	const agent = readFileSync(join(build, 'bin/birthmark-agent'));
	for (const text of ['/run/birthmark/bin/ld-linux-aarch64.so.1\0', '\0/run/birthmark/bin\0', '\0libbirthmark-start.so\0']) t.true(agent.includes(text), text);
	t.false(agent.includes('\0setrlimit\0'));
});

built('it runs, makes its identity at a CA, and starts an application', async (t) => {
	const version = spawnSync('unshare', inMount(AGENT_PATH, 'version'), { encoding: 'utf8' });
	t.is(version.stdout, `birthmark-agent ${VERSION}\n`, version.stderr);
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'token'), await ca.mint(node, id));
	const child = spawn('unshare', inMount(AGENT_PATH, 'exec', '--dir', directory, '--ca-url', ca.url, '--', 'sh', '-c', `head -n 1 ${directory}/identity.pem; echo "$GREETING"; exit 5`), { env: { ...process.env, GREETING: 'hello', BUN_JSC_nonsense: '1' }, stdio: ['ignore', 'pipe', 'inherit'] });
	const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
	let output = '';
	for await (const chunk of child.stdout as AsyncIterable<Buffer>) output += chunk.toString();
	t.is(output, '-----BEGIN PRIVATE KEY-----\nhello\n');
	t.is(await ended, 5);
	const status = spawnSync('unshare', inMount(AGENT_PATH, 'status', '--dir', directory), { encoding: 'utf8' });
	t.is(status.status, 0, status.stderr);
	t.regex(status.stdout, /^SPIFFE ID +spiffe:\/\/.*\/api01$/m);
});
