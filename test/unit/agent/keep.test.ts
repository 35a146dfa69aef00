/** The compiled agent as the plugin runs it for a container, when `make build` has made it; only root can confine it. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, watch, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import anyTest, { type ExecutionContext } from 'ava';
import { silentLogger } from '#common/runtime/log.ts';
import { readIdentity } from '../../../agent/store.ts';
import { AGENT_PATH } from '../../../hook/command.ts';
import { openRelay } from '../../../plugin/volume/relay.ts';
import { createRelayPool } from '../../../plugin/volume/relay-pool.ts';
import { writeVolumeFile } from '../../../plugin/volume/volume-files.ts';
import { startCa } from '../../support/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const build = fileURLToPath(new URL('../../../build/agent', import.meta.url));
const canRun = existsSync(build) && process.getuid!() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0;
const test = canRun ? anyTest : anyTest.skip;
const MOUNT = 'mount -t tmpfs tmpfs /run && mkdir /run/birthmark && mount --bind "$1" /run/birthmark && shift && exec env -i "$@"';
const [UID, GID] = [12_345, 12_346];

/** A CA, a container's directory with a token of api01 in it, and a relay. */
async function world(t: ExecutionContext) {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const outside = tmpfsDirectory(t);
	const directory = join(outside, 'volume');
	mkdirSync(directory);
	const relay = await openRelay({ targets: () => [{ host: '127.0.0.1', port: ca.port }], pool: createRelayPool(), logger: silentLogger }, directory);
	t.teardown(() => relay.close());
	writeFileSync(join(directory, 'agent.json'), JSON.stringify({ version: 1, ca: { way: 'relay' } }));
	const give = (token: string): Promise<void> => writeVolumeFile(directory, 'token', token, 0o400, { uid: UID, gid: GID });
	await give(await ca.mint(node, id));
	chownSync(directory, UID, GID);
	// As the directories of the plugin: nobody but root gets through by a path.
	chmodSync(outside, 0o700);
	return { ca, node, directory, outside };
}

/** In a mount namespace in which it lies where its loader is looked for. */
function keep(t: ExecutionContext, cwd: string): ChildProcess & { readonly stdout: NodeJS.ReadableStream; readonly stderr: NodeJS.ReadableStream } {
	const child = spawn('unshare', ['--mount', 'sh', '-c', MOUNT, 'sh', build, AGENT_PATH, 'keep', '--as', `${UID}:${GID}`], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
	t.teardown(() => child.kill('SIGKILL'));
	return child;
}

test('the agent of a container without one enrols as the user of that container, renews on demand and ends with the plugin', async (t) => {
	const { directory, outside } = await world(t);
	const child = keep(t, directory);
	t.is(String((await once(child.stdout, 'data'))[0]), 'ready\n');
	const first = readIdentity(directory)!.leaf;
	t.regex(first.subject, /CN=api01/);
	t.like(statSync(join(directory, 'tls.key')), { uid: UID, gid: GID });
	const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
	t.regex(status, new RegExp(`^Uid:\\s+${UID}\\s+${UID}\\s+${UID}\\s+${UID}$`, 'm'));
	t.regex(status, /^Groups:\s*$/m);
	t.regex(status, /^CapEff:\s+0{16}$/m);
	t.is(statSync(`/proc/${child.pid}/root`).ino, statSync(directory).ino, 'its root is the directory of the container');

	const watcher = watch(directory);
	t.teardown(() => watcher.close());
	await writeVolumeFile(directory, 'rotate', first.serial, 0o444);
	while (readIdentity(directory)?.leaf.serial === first.serial) await once(watcher, 'change');
	t.deepEqual(readdirSync(outside), ['volume']);
	child.stdin!.end();
	await once(child, 'exit');
});

test('links that a container puts into its directory lead the agent nowhere else', async (t) => {
	const { ca, node, directory, outside } = await world(t);
	const other = await ca.enrol(node, 'api02', 'web');
	const generation = join(outside, '.generation-7');
	mkdirSync(generation, { mode: 0o777 });
	for (const [name, text] of [['tls.key', other.key], ['tls.crt', other.cert], ['ca.crt', ca.bundle]] as const) writeFileSync(join(generation, name), text, { mode: 0o666 });
	chmodSync(generation, 0o777);
	chmodSync(outside, 0o755);
	symlinkSync(generation, join(directory, '.generation-7'));
	symlinkSync('.generation-7', join(directory, 'current'));
	t.is(readFileSync(join(directory, 'current/tls.crt'), 'utf8'), other.cert, 'whoever follows the link takes it for the identity');
	await once(keep(t, directory).stdout, 'data');
	t.regex(readIdentity(directory)!.leaf.subject, /CN=api01/);
	t.is(readFileSync(join(generation, 'tls.key'), 'utf8'), other.key);
});

test('the agent that the node runs takes the relay, whatever address a container has written for it', async (t) => {
	const { directory } = await world(t);
	let asked = 0;
	const elsewhere = createServer((socket) => void (asked++, socket.destroy())).listen(0, '127.0.0.1');
	t.teardown(() => elsewhere.close());
	await once(elsewhere, 'listening');
	const url = `https://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
	writeFileSync(join(directory, 'agent.json'), JSON.stringify({ version: 1, ca: { way: 'network', url, urls: [url] } }));
	const child = keep(t, directory);
	t.is(String((await Promise.race([once(child.stdout, 'data'), once(elsewhere, 'connection')]))[0]), 'ready\n');
	t.is(asked, 0);
});

test('without a token that is good it says why and ends', async (t) => {
	const { directory } = await world(t);
	writeFileSync(join(directory, 'token'), 'nonsense');
	const child = keep(t, directory);
	const lines: string[] = [];
	createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
	const [code] = await once(child, 'close');
	t.is(code, 77);
	t.regex(lines.at(-1)!, /^birthmark: .* \[token-malformed\]$/);
});

test('the agent ends with whoever started it, also when its standard input stays open', async (t) => {
	const { directory, outside } = await world(t);
	// A pipe that it holds open itself.
	const script = 'mkfifo ../held && exec 3<> ../held && { unshare --mount sh -c "$0" sh "$@" <&3 & echo $! > ../pid; wait; }';
	const parent = spawn('sh', ['-c', script, MOUNT, build, AGENT_PATH, 'keep', '--as', `${UID}:${GID}`], { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
	await once(parent.stdout, 'data');
	const agent = Number(readFileSync(join(outside, 'pid'), 'utf8'));
	t.teardown(() => void spawnSync('kill', ['-KILL', String(agent)]));
	parent.kill('SIGKILL');
	await once(parent.stdout, 'end');
	t.pass();
});
