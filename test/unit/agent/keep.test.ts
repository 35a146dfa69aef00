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
/** As in the plugin: behind a link, in a root file system through which nobody but root can walk. */
const MOUNT = 'mount -t tmpfs -o mode=0700 tmpfs /run && mkdir /run/birthmark /run/agent && mount --bind "$1/bin" /run/agent && ln -s /run/agent /run/birthmark/bin && shift && exec env -i "$@"';
const [UID, GID] = [12_345, 12_346];

/** A CA, the directory of a container of this user with a token of api01 in it, and a relay. */
async function world(t: ExecutionContext, [uid, gid] = [UID, GID]) {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const outside = tmpfsDirectory(t);
	const directory = join(outside, 'volume');
	mkdirSync(directory);
	const relay = await openRelay({ targets: () => [{ host: '127.0.0.1', port: ca.port }], pool: createRelayPool(), logger: silentLogger }, directory);
	t.teardown(() => relay.close());
	writeFileSync(join(directory, 'agent.json'), JSON.stringify({ version: 1, ca: { way: 'relay' } }));
	const give = (token: string): Promise<void> => writeVolumeFile(directory, 'token', token, 0o400, { uid, gid });
	await give(await ca.mint(node, id));
	chownSync(directory, uid, gid);
	// As the directories of the plugin: nobody but root gets through by a path.
	chmodSync(outside, 0o700);
	return { ca, node, directory, outside };
}

/** In a mount namespace in which it lies where its loader is looked for. */
function keep(t: ExecutionContext, cwd: string, user = `${UID}:${GID}`): ChildProcess & { readonly stdout: NodeJS.ReadableStream; readonly stderr: NodeJS.ReadableStream } {
	const child = spawn('unshare', ['--mount', 'sh', '-c', MOUNT, 'sh', build, AGENT_PATH, 'keep', '--as', user], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
	t.teardown(() => child.kill('SIGKILL'));
	return child;
}

/** Of a process or thread: '' when it has ended meanwhile, which an open file may say only when it is read. */
function readIfThere(path: string): string {
	try {
		return readFileSync(path, 'utf8');
	} catch (error) {
		if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code!)) throw error;
		return '';
	}
}

/** What its threads may do, all together. */
function rightsOf(pid: number) {
	const threads = readdirSync(`/proc/${pid}/task`).map((thread) => readIfThere(`/proc/${pid}/task/${thread}/status`)).filter((status) => status !== '');
	const values = (name: string) => threads.map((status) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)![1]!);
	const same = (name: string): string => [...new Set(values(name).flatMap((value) => value.split('\t')))].join();
	const capabilities = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].flatMap(values).reduce((all, set) => all | BigInt(`0x${set}`), 0n);
	return { uid: Number(same('Uid')), gid: Number(same('Gid')), groups: same('Groups').trim(), capabilities, noNewPrivileges: same('NoNewPrivs') };
}

test('the agent of a container without one enrols as the user of that container, renews on demand and ends with the plugin', async (t) => {
	const { directory, outside } = await world(t);
	const child = keep(t, directory);
	t.is(String((await once(child.stdout, 'data'))[0]), 'ready\n');
	const first = readIdentity(directory)!.leaf;
	t.regex(first.subject, /CN=api01/);
	t.like(statSync(join(directory, 'tls.key')), { uid: UID, gid: GID });
	t.deepEqual(rightsOf(child.pid!), { uid: UID, gid: GID, groups: '', capabilities: 0n, noNewPrivileges: '1' });
	t.is(statSync(`/proc/${child.pid}/root`).ino, statSync(directory).ino, 'its root is the directory of the container');

	const watcher = watch(directory);
	t.teardown(() => watcher.close());
	await writeVolumeFile(directory, 'rotate', first.serial, 0o444);
	while (readIdentity(directory)?.leaf.serial === first.serial) await once(watcher, 'change');
	t.deepEqual(readdirSync(outside), ['volume']);
	child.stdin!.end();
	await once(child, 'exit');
});

test('of a container whose user is root it is root without a single capability, in none of its threads', async (t) => {
	const { directory } = await world(t, [0, 0]);
	const child = keep(t, directory, '0:0');
	t.is(String((await once(child.stdout, 'data'))[0]), 'ready\n');
	t.deepEqual(rightsOf(child.pid!), { uid: 0, gid: 0, groups: '', capabilities: 0n, noNewPrivileges: '1' });
	t.is(statSync(`/proc/${child.pid}/root`).ino, statSync(directory).ino);
	t.is(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'), '', 'whoever confined it is gone');
});

test('whoever may not give up rights, or is told of no user that there is, keeps no identity', async (t) => {
	const { directory } = await world(t);
	for (const [command, why] of [[['setpriv', '--bounding-set', '-setpcap', build], /capbset: Operation not permitted/], [[], /arguments: Invalid argument/]] as const) {
		const user = command.length > 0 ? `${UID}:${GID}` : '4294967295:0';
		const child = spawn('unshare', ['--mount', 'sh', '-c', MOUNT, 'sh', build, ...command.slice(0, -1), AGENT_PATH, 'keep', '--as', user], { cwd: directory, stdio: ['pipe', 'pipe', 'pipe'] });
		t.teardown(() => child.kill('SIGKILL'));
		const lines: string[] = [];
		createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
		t.deepEqual((await once(child, 'close'))[0], 78);
		t.regex(lines.at(-1)!, /^birthmark: the agent could not be confined to the identity directory .* \[directory-unusable\]$/);
		t.regex(lines.at(-1)!, why);
	}
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
	// A process that ends gives up its memory, its command line in it, before its files.
	t.is(readIfThere(`/proc/${agent}/cmdline`), '');
});
