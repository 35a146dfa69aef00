import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { silentLogger } from '#common/runtime/log.ts';
import { awaitEngine, mayStartAgain, placeForContainers, reachesContainers, watchPropagation } from '../../../../plugin/volume/propagation.ts';

function folder(t: ExecutionContext): string {
	const made = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => made.removeCallback());
	return made.name;
}

const DATA = '/var/lib/docker';
const SHARE = `${DATA}/plugins/beef/propagated-mount`;
const line = (root: string, point: string, tags: string, device = '254:0', ids = '707 523'): string => `${ids} ${device} ${root} ${point} rw,relatime ${tags}- ext4 /dev/vda rw`;
const OWN = [line(`${DATA}/plugins/beef/rootfs`, '/', ''), line(SHARE, '/data', 'shared:111 '), line('/run', '/host/run', 'shared:53 ')];
const SLASH = line('/', '/', 'shared:1 ');

/** mountinfo as engines leave it, and variations of it */
const CASES: ReadonlyArray<readonly [string, readonly string[], readonly string[], boolean]> = [
	['its directory is shared', OWN, [SLASH, line(SHARE, SHARE, 'shared:111 ')], true],
	['its directory is shared with what lies above', OWN, [SLASH, line(DATA, DATA, 'shared:111 ')], true],
	['the engine has unmounted the directory that it had shared', OWN, [SLASH], false],
	['the same, and above it lies a mount of the engine\'s', OWN, [SLASH, line(DATA, DATA, 'shared:9 ')], false],
	['another mount is on top of the shared one', OWN, [SLASH, line(SHARE, SHARE, '', '254:0', '30 20'), line(SHARE, SHARE, 'shared:111 ', '254:0', '20 10')], false],
	['the shared one is on top of another', OWN, [SLASH, line(SHARE, SHARE, '', '254:0', '20 10'), line(SHARE, SHARE, 'shared:111 ', '254:0', '30 20')], true],
	['what lies on top came to both sides', [...OWN, line(SHARE, '/data', 'shared:112 ', '254:0', '708 707')], [SLASH, line(SHARE, SHARE, 'shared:112 ', '254:0', '30 20'), line(SHARE, SHARE, 'shared:111 ', '254:0', '20 10')], true],
	['the shared one is below a mount of the engine\'s', OWN, [SLASH, line(DATA, DATA, 'shared:111 '), line(SHARE, SHARE, 'shared:9 ')], false],
	['a group begins with the same digits', OWN, [SLASH, line(SHARE, SHARE, 'shared:1111 ')], false],
	['a mount shares and receives as well', OWN, [SLASH, line(SHARE, SHARE, 'shared:111 master:2 ')], true],
	['the engine\'s data is a file system of its own', [line('/plugins/beef/propagated-mount', '/data', 'shared:7 ', '8:1')], [SLASH, line('/', DATA, 'shared:7 ', '8:1')], true],
	['that file system is mounted twice', [line('/plugins/beef/propagated-mount', '/data', 'shared:7 ', '8:1')], [SLASH, line('/', '/mnt', '', '8:1'), line('/', DATA, 'shared:7 ', '8:1')], true],
	['that file system does not share', [line('/plugins/beef/propagated-mount', '/data', 'shared:7 ', '8:1')], [SLASH, line('/', DATA, 'shared:8 ', '8:1')], false],
	['its directory is no shared mount', [line('/data', '/data', '')], [SLASH], true],
	['its directory is no mount', [SLASH], [SLASH], true],
	['the other side does not show the file system', OWN, [line('/', '/', '', '8:9')], true],
];
for (const [name, own, shim, expected] of CASES) {
	test(`when ${name}, what it mounts ${expected ? 'may reach' : 'does not reach'} containers`, async (t) => {
		const files = { own: join(folder(t), 'own'), shim: join(folder(t), 'shim') };
		writeFileSync(files.own, own.join('\n') + '\n');
		writeFileSync(files.shim, shim.join('\n') + '\n');
		t.is(await reachesContainers({ directory: '/data', ...files }), expected);
	});
}

test('where its directory is for whoever makes containers is told by what it shares with them', async (t) => {
	const files = { own: join(folder(t), 'own'), shim: join(folder(t), 'shim') };
	const place = (own: readonly string[], shim: readonly string[]): Promise<string | undefined> => {
		writeFileSync(files.own, own.join('\n') + '\n');
		writeFileSync(files.shim, shim.join('\n') + '\n');
		return placeForContainers({ directory: '/data', ...files });
	};
	t.is(await place(OWN, [SLASH, line(SHARE, SHARE, 'shared:111 ')]), SHARE);
	t.is(await place([line('/plugins/beef/propagated-mount', '/data', 'shared:7 ', '8:1')], [SLASH, line('/', '/mnt', '', '8:1'), line('/', '/srv/my\\040docker', 'shared:7 ', '8:1')]), '/srv/my docker/plugins/beef/propagated-mount');
	t.is(await place(OWN, [SLASH]), undefined);
	t.is(await place([SLASH], [SLASH]), undefined);
});

test('what cannot be read says nothing', async (t) => {
	t.true(await reachesContainers({ directory: '/data', own: '/proc/self/mountinfo', shim: '/nonexistent' }));
});

test('another start is not tried twice in a row, by whatever clock', (t) => {
	const marker = join(folder(t), 'marker');
	const start = Date.parse('2026-11-22T12:00:00Z');
	t.true(mayStartAgain(marker, start));
	t.false(mayStartAgain(marker, start + 19_000));
	t.false(mayStartAgain(marker, start - 19_000));
	t.true(mayStartAgain(marker, start + 20_000));
	t.true(mayStartAgain(marker, start - 86_400_000));
	writeFileSync(marker, '');
	t.true(mayStartAgain(marker, start));
});

test('the engine is awaited until it connects and says nothing; what it asks is not answered', async (t) => {
	const socket = join(folder(t), 'plugin.sock');
	let came = false;
	const waiting = awaitEngine(socket, silentLogger).then(() => (came = true));
	while (!existsSync(socket)) await sleep(5);
	const question = connect(socket);
	question.on('error', () => {});
	question.write('POST /AuthZPlugin.AuthZReq HTTP/1.1\r\n');
	await once(question, 'close');
	t.is(question.bytesRead, 0);
	t.false(came);
	connect(socket).end();
	await waiting;
	t.true(came);
});

test('a loss is told once, not before the engine has seen the plugin, and nothing is asked afterwards', async (t) => {
	const happened: string[] = [];
	const { promise: seen, resolve: see } = Promise.withResolvers<void>();
	const { promise: over, resolve: end } = Promise.withResolvers<void>();
	const reaches = async (): Promise<boolean> => {
		happened.push('asked');
		if (happened.length < 2) return true;
		setImmediate(() => {
			happened.push('seen');
			see();
		});
		return false;
	};
	const watch = watchPropagation({ reaches, seen, onLost: () => end(void happened.push('lost')) });
	// The watch keeps no process alive.
	const alive = setInterval(() => {}, 60_000);
	t.teardown(() => {
		clearInterval(alive);
		watch.close();
	});
	await over;
	t.deepEqual(happened, ['asked', 'asked', 'seen', 'lost']);
});
