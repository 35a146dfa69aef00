/** The way to the CA through the node: like the network for whoever uses it, and nobody's way to anything else. */

import test from 'ava';
import type Docker from 'dockerode';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };
const ca = world.docker.getContainer(world.caContainer);

test.serial('a container on the network and one without any behave alike: enrolment, renewal, a CA that is away, revocation', async (t) => {
	const ways = await Promise.all(([['relay', 'none'], ['network', 'host']] as const).map(async ([caWay, NetworkMode]) => {
		const name = world.name();
		const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', caWay }, { ...SLEEP, HostConfig: { NetworkMode } });
		await eventually('the identity is live', () => world.identity(name));
		return { name, container, seen: [] as unknown[] };
	}));
	const renew = async (container: Docker.Container, ...options: string[]): Promise<[number, string | undefined]> => {
		const { code, stderr } = await world.exec(container, [AGENT, 'renew', ...options]);
		return [code, /\[[a-z-]+\]/.exec(stderr)?.[0]];
	};
	const each = (look: (way: (typeof ways)[number]) => Promise<unknown>): Promise<unknown> => Promise.all(ways.map(async (way) => way.seen.push(await look(way))));
	const certificate = async (container: Docker.Container): Promise<string> => (await world.exec(container, ['cat', `${DIRECTORY}/tls.crt`])).stdout;

	await each(({ container }) => renew(container));
	await each(async ({ name }) => (await world.identity(name))?.renewals);
	const before = await Promise.all(ways.map(({ container }) => certificate(container)));
	t.teardown(() => ca.unpause().catch(() => undefined));
	await ca.pause();
	await each(({ container }) => renew(container, '--timeout', '1'));
	t.deepEqual(await Promise.all(ways.map(({ container }) => certificate(container))), before, 'the old one stays');
	await ca.unpause();
	await each(({ container }) => renew(container));
	await each(async ({ name }) => (await world.birthmark(['revoke', '--cn', name])).code);
	await each(({ container }) => renew(container));
	t.deepEqual(ways[0]!.seen, [[0, undefined], 1, [69, '[ca-unavailable]'], [0, undefined], 0, [77, '[certificate-revoked]']]);
	t.deepEqual(ways[1]!.seen, ways[0]!.seen);
});

const ATTEMPTS = 20_000;
/** Connects as fast as it can, a hundred at a time, and asks for other places; says in the end how often the kernel refused it. */
const FLOOD = `
	const { connect } = require('node:net');
	let left = ${ATTEMPTS}, refused = 0, answered = 0, running = 100;
	const next = () => {
		if (left-- <= 0) return --running === 0 ? console.log('flooded ' + JSON.stringify({ refused, answered })) : undefined;
		const socket = connect('${DIRECTORY}/ca.sock', () => socket.end('CONNECT 169.254.169.254:80 HTTP/1.1\\r\\n\\r\\n'));
		socket.on('data', (data) => (answered += /^HTTP\\/1\\.[01] 200/.test(data.toString()) ? 1 : 0)).on('error', () => refused++).on('close', next);
	};
	for (let index = 0; index < 100; index++) next();
	setInterval(() => {}, 600_000);`;

test.serial('a container that connects in a loop is led nowhere else, keeps nobody else from the CA, and itself only for a while', async (t) => {
	const [wild, calm] = [world.name(), world.name()];
	await world.start(t, { commonName: calm, organizationalUnit: 'web-api' }, SLEEP);
	await eventually('the identity is live', () => world.identity(calm));
	const container = await world.start(t, { commonName: wild, organizationalUnit: 'web-api' }, { Image: 'birthmark/demo', Entrypoint: ['/usr/bin/node', '-e'], Cmd: [FLOOD] });
	await eventually('the identity is live', () => world.identity(wild));
	for (let time = 0; time < 3; time++) t.is((await world.birthmark(['rotate', '--cn', calm, '--timeout', '120'])).code, 0);
	const told = await eventually('it has flooded', async () => /flooded (\{.*\})/.exec(await world.logs(container))?.[1], 400);
	const { refused, answered } = JSON.parse(told) as { refused: number; answered: number };
	t.is(answered, 0);
	t.true(refused > ATTEMPTS / 2, `${refused} of ${ATTEMPTS} were refused by the kernel`);
	t.is((await world.birthmark(['rotate', '--cn', wild, '--timeout', '120'])).code, 0);
});
