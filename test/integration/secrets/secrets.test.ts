/** Neither key nor token is anywhere but on the tmpfs, and the token not for long. */

import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const TOKEN = /BMK(TKN|JOIN)-1-[0-9a-z]{50}-/;
const KEY = /PRIVATE KEY/;

/** @returns the engine's events since now, a line of JSON each */
async function followEvents(t: ExecutionContext): Promise<() => readonly string[]> {
	const stream = (await world.docker.getEvents()) as Readable;
	t.teardown(() => { stream.destroy(); });
	let text = '';
	stream.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
	return () => text.split('\n');
}

test('diff, export, inspect, logs and events of an identity container hold neither key nor token', async (t) => {
	const name = world.name();
	// Followed, not asked for afterwards: an engine remembers its last 256 events only, and other stories make many.
	const events = await followEvents(t);
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { name, Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	await eventually('the identity is live', () => world.identity(name));
	const { stdout: identity } = await world.exec(container, ['cat', `${DIRECTORY}/identity.pem`]);
	t.regex(identity, KEY, 'the key is on the volume');
	const secret = /-----BEGIN[^\n]*PRIVATE KEY-----\n([^\n]+)/.exec(identity)![1]!;

	await eventually('the engine told of the mount', async () => events().some((line) => line.includes(container.id) && line.includes('"Action":"mount"')));
	const diff = (await world.cli(['diff', name])).stdout;
	t.notRegex(diff, /tls\.key|identity\.pem|token/);
	const seen = {
		inspect: JSON.stringify(await container.inspect()),
		logs: await world.logs(container),
		// Other stories put tokens into command lines of their own making.
		events: events().filter((line) => line.includes(container.id)).join('\n'),
		volumes: (await world.cli(['volume', 'ls', '--format', '{{json .}}'])).stdout,
		export: (await world.cli(['export', name])).stdout,
		environment: readFileSync(`/proc/${(await container.inspect()).State.Pid}/environ`, 'utf8'),
		'command line': readFileSync(`/proc/${(await container.inspect()).State.Pid}/cmdline`, 'utf8'),
	};
	for (const [where, text] of Object.entries(seen)) {
		t.notRegex(text, TOKEN, where);
		t.false(text.includes(secret), `${where} holds the key`);
	}
});

test('the logs of engine, plugin and CA hold no token and no key', async (t) => {
	const name = world.name();
	await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	await eventually('the identity is live', () => world.identity(name));
	const ca = await world.logs(world.docker.getContainer(world.caContainer));
	t.regex(ca, /"component":"ca"/);
	const engine = readFileSync(world.paths.log, 'utf8');
	t.regex(engine, /\\"component\\":\\"plugin\\"/, 'the plugin\'s lines are in the engine\'s log');
	for (const text of [ca, engine]) {
		t.notRegex(text, TOKEN);
		t.notRegex(text, KEY);
	}
});

test('docker cp, export and commit do not reach the identity', async (t) => {
	const name = world.name();
	await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { name, Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	await eventually('the identity is live', () => world.identity(name));
	const copy = await world.cli(['cp', `${name}:${DIRECTORY}/identity.pem`, '-']);
	t.not(copy.code, 0);
	t.regex(copy.stderr, /\[identity-isolated\]/);
	const { stdout: mounts } = await world.cli(['inspect', '--format', '{{(index .Mounts 0).Name}}', name]);
	const other = await world.cli(['run', '--rm', '--volume', `${mounts.trim()}:/x`, 'test/busybox', 'ls', '/x']);
	t.not(other.code, 0);
	t.regex(other.stderr, /\[identity-isolated\]/);
	const joined = await world.cli(['run', '--rm', '--volumes-from', name, 'test/busybox', 'ls', DIRECTORY]);
	t.not(joined.code, 0);
	t.regex(joined.stderr, /\[identity-isolated\]/);
});
