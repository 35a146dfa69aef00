/** A hundred restarts under `restart: always`: a hundred identities, nobody does anything, nothing is left over. */

import test from 'ava';
import { createPrivateKey } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import type Docker from 'dockerode';
import { provision } from '../../../hook/provision.ts';
import { newKey } from '../../support/ca.ts';
import { auditEvents } from '../../support/audit.ts';
import { mountsOf, openFiles, pluginProcess, residentBytes } from '../../support/processes.ts';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
/** `make soak` makes more of them. */
const CONTAINERS = Number(process.env['BIRTHMARK_SOAK_RESTARTING'] ?? 20);
const RESTARTS = 5;
/** More would keep each other from redeeming their tokens in time. */
const AT_ONCE = 5;
/** The soak makes a thousand. */
const CREATED = Number(process.env['BIRTHMARK_SOAK_CREATED'] ?? 30);
/** Connections with the engine and the CA that are kept for the next call; one for each life or creation would be more. */
const KEPT_FILES = 4 * AT_ONCE;
/** Node's heap grows and shrinks by this much between two collections. */
const MEMORY_NOISE = 64 * 1024 * 1024;

/**
 * Keeps the token of each life, gets the identity, and dies; the last life stays. The container's own files
 * outlive a restart. Where the machine is so slow that a token expires there is one life more, without an identity.
 */
const PROGRAM = `
	cat ${DIRECTORY}/token >> /tokens && echo >> /tokens
	${AGENT} once || exit 9
	lives=$(ls / | grep -c identity)
	cat ${DIRECTORY}/identity.pem > /identity.$((lives + 1))
	[ $lives -ge ${RESTARTS} ] && echo settled && exec sleep 600
	exit 3`;
const MORTAL = { Image: 'test/busybox', Entrypoint: ['sh', '-c', PROGRAM], HostConfig: { RestartPolicy: { Name: 'always' } } };

test.serial('each of a hundred restarts is a birth of its own, every token and key of an earlier life is refused, and nothing is left', async (t) => {
	t.timeout(400_000 + CONTAINERS * 10_000);
	const names = Array.from({ length: CONTAINERS }, () => world.name());
	const events = await auditEvents(world);
	const mine = (list: Awaited<ReturnType<typeof world.identities>>) => list.filter(({ commonName }) => names.includes(commonName));
	const lives = async () => mine(await world.identities(true));

	// One life before the others: what the plugin allocates once is allocated then.
	const warm = await world.start(t, { commonName: world.name(), organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	await warm.remove({ force: true, v: true });
	const pid = pluginProcess(world.paths);
	const before = { memory: residentBytes(pid), files: openFiles(pid) };

	const containers: Docker.Container[] = [];
	for (let from = 0; from < CONTAINERS; from += AT_ONCE) {
		const some = await Promise.all(names.slice(from, from + AT_ONCE).map((commonName) => world.startWithoutAgent(t, { commonName, organizationalUnit: 'web-api' }, MORTAL)));
		for (const container of some) await eventually('it lives its last life', async () => (await world.logs(container)).includes('settled'), 240);
		containers.push(...some);
	}
	t.is((await lives()).length, CONTAINERS * (RESTARTS + 1));
	await eventually('all earlier lives are over', async () => (await lives()).filter(({ status }) => status === 'revoked').length === CONTAINERS * RESTARTS);

	const all = await lives();
	t.is(new Set(all.map(({ serial }) => serial)).size, CONTAINERS * (RESTARTS + 1));
	t.is(new Set(all.map(({ authorizationId }) => authorizationId)).size, CONTAINERS, 'one authorization for all lives of a container');
	for (const name of names) t.is(all.filter(({ commonName, status }) => commonName === name && status === 'live').length, 1, 'one identity is alive');

	// What each life had, from the container's own files.
	for (const container of containers) {
		const tokens = (await world.exec(container, ['cat', '/tokens'])).stdout.trim().split('\n').filter(Boolean);
		t.true(new Set(tokens).size === tokens.length && tokens.length > RESTARTS, 'each life had a token of its own');
		for (const token of tokens) t.regex(await codeOf('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}`, 'content-type': 'application/pkcs10' }, body: newKey().csr() }), /^(token-used|authorization-ended|token-expired|token-unknown)$/);
	}
	const oldKeys = (await world.exec(containers[0]!, ['sh', '-c', `for n in $(seq ${RESTARTS}); do cat /identity.$n; echo next; done`])).stdout.split('next\n').filter((pem) => pem.includes('BEGIN'));
	t.is(oldKeys.length, RESTARTS);
	for (const pem of oldKeys) {
		t.notThrows(() => createPrivateKey(pem));
		t.is(await codeOf('POST', '/v1/renew', { key: pem, cert: pem, headers: { 'content-type': 'application/pkcs10' }, body: newKey().csr() }), 'certificate-revoked');
	}

	const volumes = await Promise.all(containers.map(async (container) => (await container.inspect()).Mounts.find(({ Destination }) => Destination === DIRECTORY)!.Name!));
	const mountsOfOne = mountsOf(volumes[0]!).length;
	t.true(mountsOfOne > 0);
	for (const volume of volumes) t.is(mountsOf(volume).length, mountsOfOne, 'the mounts of one life, not of six');
	t.is(pluginProcess(world.paths), pid, 'the plugin was not started again');
	t.true(residentBytes(pid) - before.memory < MEMORY_NOISE, `it grew from ${before.memory} to ${residentBytes(pid)} bytes`);

	await Promise.all(containers.map((container) => container.remove({ force: true, v: true })));
	await eventually('the volumes are gone', async () => {
		const { Volumes } = await world.docker.listVolumes();
		return !Volumes.some(({ Name }) => volumes.includes(Name));
	});
	await eventually('everything was told to the CA', async () => (await world.status())?.pendingRevocations === 0);
	for (const volume of volumes) t.deepEqual(mountsOf(volume), []);
	const authorizations = new Set(all.map(({ authorizationId }) => authorizationId));
	const endings = async () => (await events()).filter(({ action, subject }) => action === 'authorization.end' && authorizations.has(subject));
	await eventually('each authorization ended', async () => (await endings()).length >= CONTAINERS);
	t.is((await endings()).length, CONTAINERS, 'once');
	const revoked = (await events()).filter(({ action, subject }) => action === 'certificate.revoke' && authorizations.has(subject));
	t.is(new Set(revoked.map(({ details }) => details?.['startId'])).size, revoked.length, 'each start was reported over once');
	await eventually('its files are closed', async () => openFiles(pid) <= before.files + KEPT_FILES);
});

test.serial('containers that are created and removed, and never started, leave nothing', async (t) => {
	t.timeout(400_000 + CREATED * 3_000);
	const events = await auditEvents(world);
	const pid = pluginProcess(world.paths);
	const createAndRemove = async (): Promise<string> => {
		const container = await world.docker.createContainer(await provision(world.docker, MORTAL, { commonName: world.name(), organizationalUnit: 'web-api' }));
		await container.remove({ v: true });
		return container.id;
	};
	const ids: string[] = [];
	for (let index = 0; index < AT_ONCE; index++) ids.push(await createAndRemove());
	const before = { memory: residentBytes(pid), files: openFiles(pid) };
	while (ids.length < CREATED) ids.push(...await Promise.all(Array.from({ length: AT_ONCE }, createAndRemove)));

	await eventually('everything was told to the CA', async () => (await world.status())?.pendingRevocations === 0);
	await eventually('each authorization ended', async () => {
		const log = await events();
		const made = log.filter(({ action, details }) => action === 'authorization.create' && ids.includes(String(details?.['containerId']))).map(({ subject }) => subject);
		const ended = new Set(log.filter(({ action }) => action === 'authorization.end').map(({ subject }) => subject));
		return made.length === ids.length && made.every((id) => ended.has(id));
	});
	t.is(pluginProcess(world.paths), pid);
	t.true(residentBytes(pid) - before.memory < MEMORY_NOISE, `it grew from ${before.memory} to ${residentBytes(pid)} bytes`);
	await eventually('its files are closed', async () => openFiles(pid) <= before.files + KEPT_FILES);
});

interface Ask {
	readonly key?: string;
	readonly cert?: string;
	readonly headers: Record<string, string>;
	readonly body: string;
}

/** The code of the CA's refusal; its status when it did not refuse. */
function codeOf(method: string, path: string, { body, ...options }: Ask): Promise<string> {
	return new Promise((resolve, reject) => {
		const call = httpsRequest(new URL(path, world.caUrl), { method, rejectUnauthorized: false, agent: false, ...options }, (answer) => {
			const chunks: Buffer[] = [];
			answer.on('data', (chunk: Buffer) => chunks.push(chunk)).once('error', reject).once('end', () => {
				const text = Buffer.concat(chunks).toString();
				resolve(answer.statusCode! < 400 ? String(answer.statusCode) : (JSON.parse(text) as { code: string }).code);
			});
		});
		call.once('error', reject);
		call.end(body);
	});
}
