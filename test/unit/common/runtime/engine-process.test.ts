import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findEngineProcess, flag } from '#common/runtime/engine-process.ts';
import { temporaryFolder } from '../../../support/ca.ts';

/** A /proc in which processes hold sockets. */
function proc(t: ExecutionContext, sockets: Readonly<Record<string, number>>, processes: Readonly<Record<number, { comm: string; args?: readonly string[]; inode?: number }>>): string {
	const root = temporaryFolder(t);
	mkdirSync(join(root, 'net'));
	const lines = Object.entries(sockets).map(([path, inode]) => `0000000050dde33b: 00000002 00000000 00010000 0001 01 ${inode} ${path}`);
	writeFileSync(join(root, 'net/unix'), ['Num       RefCount Protocol Flags    Type St Inode Path', '000000004be15a41: 00000003 00000000 00000000 0001 03 1', ...lines, ''].join('\n'));
	for (const [pid, { comm, args = [], inode = 1 }] of Object.entries(processes)) {
		const folder = join(root, pid);
		mkdirSync(join(folder, 'fd'), { recursive: true });
		writeFileSync(join(folder, 'comm'), `${comm}\n`);
		writeFileSync(join(folder, 'cmdline'), [comm, ...args, ''].join('\0'));
		writeFileSync(join(folder, 'environ'), 'PATH=/usr/bin\0A=b=c\0');
		symlinkSync('/srv', join(folder, 'cwd'));
		symlinkSync('/dev/null', join(folder, 'fd/0'));
		symlinkSync(`socket:[${inode}]`, join(folder, 'fd/3'));
	}
	return root;
}

test('of several engines it is the one that listens on this socket, whoever else holds it', (t) => {
	const root = proc(t, { '/run/docker.sock': 10, '/run/other/docker.sock': 20 }, {
		1: { comm: 'systemd', inode: 10 },
		7: { comm: 'dockerd', inode: 20, args: ['--config-file=other.json'] },
		8: { comm: 'dockerd', inode: 10, args: ['-H', 'fd://'] },
	});
	t.like(findEngineProcess('/run/docker.sock', root), { pid: 8, args: ['-H', 'fd://'], daemonJson: '/etc/docker/daemon.json', executable: join(root, '8/exe'), environment: { PATH: '/usr/bin', A: 'b=c' } });
	t.like(findEngineProcess('/run/other/docker.sock', root), { pid: 7, daemonJson: '/srv/other.json' });
});

test('a socket is the same by whichever link it is named', (t) => {
	const folder = temporaryFolder(t);
	mkdirSync(join(folder, 'run'));
	symlinkSync('run', join(folder, 'var'));
	const root = proc(t, { [join(folder, 'run/docker.sock')]: 10 }, { 8: { comm: 'dockerd', inode: 10 } });
	t.is(findEngineProcess(join(folder, 'var/docker.sock'), root).pid, 8);
});

for (const [what, sockets, processes] of [
	['nobody listens', {}, { 8: { comm: 'dockerd' } }],
	['somebody else listens', { '/run/docker.sock': 10 }, { 8: { comm: 'socat', inode: 10 }, 9: { comm: 'dockerd' } }],
] as const) {
	test(`where ${what} there is no engine`, (t) => {
		t.throws(() => findEngineProcess('/run/docker.sock', proc(t, sockets, processes)), { code: 'engine-unavailable', message: /no dockerd of this host.*--host/ } as never);
	});
}

test('a flag has its last value, in either form', (t) => {
	t.is(flag(['--config-file', 'a', '--config-file=b=c'], 'config-file'), 'b=c');
	t.is(flag(['--config-file=a', '--config-file', 'b'], 'config-file'), 'b');
	t.is(flag(['--config-filer=a'], 'config-file'), undefined);
});
