/**
 * The root of the CA is replaced while two containers talk mutual TLS with `birthmark/client`, through
 * renewals: not one request fails, a stream that is open throughout goes on, and at the end nobody trusts
 * the old root.
 */

import test, { type ExecutionContext } from 'ava';
import { X509Certificate } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import tmp from 'tmp';
import type { RotationStatus } from '#common/protocol/messages.ts';
import { bunExecutable, bundleArguments } from '../../../scripts/bundle.ts';
import { startCaProcess } from '../../support/ca-process.ts';
import { temporaryFolder } from '../../support/ca.ts';
import { startSecondEngine } from '../../support/second-engine.ts';
import { AGENT, DIRECTORY, eventually, type World } from '../../support/world.ts';

/** With the library in it, so that it can be given to Node as text. */
const TALKER = bundle('test/integration/rotation/talker.ts');
/** Short, so that all of it passes within the time of a test: the old root stays until the last certificate under it has expired. */
const CONFIG = {
	trustDomain: 'test.internal',
	environment: 'test',
	profiles: { workload: { lifetimeSeconds: 30 } },
	rotation: { settleSeconds: 5 },
};

interface Talk {
	readonly done: number;
	readonly failed: number;
	readonly lines: string;
}

test('a whole rotation under traffic: no handshake fails, and the old root is gone at the end', async (t) => {
	t.timeout(600_000);
	const state = join(temporaryFolder(t), 'state');
	mkdirSync(state, { recursive: true });
	writeFileSync(join(state, 'config.json'), JSON.stringify(CONFIG));
	const { ca } = await startCaProcess(t, state);
	const joinToken = await ca.joinToken({ role: 'node', name: 'host1', allow: ['api*/web-api'] });
	const engine = await startSecondEngine(t, { caUrl: `https://127.0.0.1:${ca.port}`, joinToken, adminSocket: ca.adminSocket, images: { own: ['demo'], test: ['busybox'] } });
	const [one, other] = await startTalkers(t, engine);
	await eventually('both talk', async () => (await talkOf(engine, one)).done > 10 && (await talkOf(engine, other)).done > 10);
	const before = rootsOf(await bundleIn(engine, one));
	t.is(before.length, 1);

	const rotation = async () => (await ca.admin('GET', '/v1/rotation')).json<RotationStatus>();
	const started = await ca.admin('POST', '/v1/rotation', { changes: 'root' });
	t.is(started.status, 200, started.text);
	await eventually('there are two roots', async () => rootsOf(await bundleIn(engine, one)).length === 2);
	await eventually('the rotation is over', async () => (await rotation()).stage === 'idle', 300);
	const after = await eventually('the new root is alone, everywhere', async () => {
		const roots = await Promise.all([one, other].map(async (container) => rootsOf(await bundleIn(engine, container))));
		return roots.every((list) => list.length === 1) && roots[0]![0] === roots[1]![0] && roots[0]![0]!;
	});
	t.not(after, before[0]);
	t.deepEqual(rootsOf((await ca.admin('GET', '/v1/roots')).text), [after]);

	// Talking goes on under the new root alone, and a container that is born now is under it from the start.
	const so = await talkOf(engine, one);
	await eventually('they talk on', async () => (await talkOf(engine, one)).done > so.done + 30);
	const talks = await Promise.all([one, other].map((container) => talkOf(engine, container)));
	t.deepEqual(talks.flatMap(({ lines }) => lines.split('\n').filter((line) => line.includes('failure'))), []);
	for (const talk of talks) {
		t.true(talk.done > 200, `${talk.done} calls`);
		t.true(talk.lines.match(/^\{"serial"/gm)!.length > 2, 'it was renewed and rotated meanwhile');
	}
	const born = await engine.start(t, { commonName: engine.name(), organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	const status = await eventually('a new container is born', async () => {
		const ran = await engine.exec(born, [AGENT, 'status', '--json']);
		return ran.code === 0 && (JSON.parse(ran.stdout) as { bundleDigest: string });
	});
	t.is(status.bundleDigest, (await rotation()).digest);
	await eventually('the node trusts the same', async () => (await engine.status())?.bundleDigest === status.bundleDigest);
});

function bundle(entry: string): string {
	const output = join(tmp.dirSync({ unsafeCleanup: true }).name, 'bundle.mjs');
	execFileSync(bunExecutable(), bundleArguments(entry, output), { stdio: 'ignore' });
	return readFileSync(output, 'utf8');
}

async function startTalkers(t: ExecutionContext, engine: World): Promise<[Docker.Container, Docker.Container]> {
	const network = await engine.network(t);
	const names = [engine.name(), engine.name()] as const;
	const start = (name: string, peer: string) => engine.start(t, { commonName: name, organizationalUnit: 'web-api' }, {
		name,
		Image: 'birthmark/demo',
		Entrypoint: [],
		Cmd: ['/usr/bin/node', '--input-type=module', '-e', TALKER, peer],
		Env: ['BIRTHMARK_BUNDLE_CHECK_SECONDS=3', 'BIRTHMARK_LOG=info'],
		HostConfig: { NetworkMode: network.id },
	});
	return [await start(names[0], names[1]), await start(names[1], names[0])];
}

async function talkOf(engine: World, container: Docker.Container): Promise<Talk> {
	const lines = await engine.logs(container);
	const last = lines.trim().split('\n').findLast((line) => line.startsWith('{"done"'));
	const failed = lines.match(/^\{"failure"/gm)?.length ?? 0;
	return { done: last === undefined ? 0 : (JSON.parse(last) as { done: number }).done, failed, lines };
}

async function bundleIn(engine: World, container: Docker.Container): Promise<string> {
	return (await engine.exec(container, ['/usr/bin/node', '-e', `process.stdout.write(fs.readFileSync("${DIRECTORY}/ca.crt"))`])).stdout;
}

/** Fingerprints of the roots in a bundle. */
function rootsOf(bundle: string): string[] {
	return (bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []).map((pem) => new X509Certificate(pem).fingerprint256);
}
