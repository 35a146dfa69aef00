/**
 * A reload that is verified: servers are told of each new certificate, the agent looks at what they serve,
 * and who operates the CA sees it; also those that do not obey, until they do. PostgreSQL, HAProxy and Redis
 * are in the story of the examples.
 */

import test, { type ExecutionContext } from 'ava';
import type Docker from 'dockerode';
import { join } from 'node:path';
import type { Identity } from '#common/protocol/messages.ts';
import { dockerCommand } from '../../../scripts/images.ts';
import { BUILD } from '../../../scripts/paths.ts';
import { Steps } from '../../../scripts/steps.ts';
import { buildServerImages } from '../../support/server-images.ts';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();

const nginxConf = (more = ''): string => `
user nginx;
pid /tmp/nginx.pid;
events {}
http {
	access_log off;
	server {
		listen 8443 ssl;
		ssl_certificate ${DIRECTORY}/identity.pem;
		ssl_certificate_key ${DIRECTORY}/identity.pem;
		ssl_client_certificate ${DIRECTORY}/ca.crt;
		ssl_verify_client on;
		${more}
		return 200 hello;
	}
}
`;
const nginx = (conf = nginxConf()) => ({ Image: 'nginx:1.28', Entrypoint: ['sh', '-c'], Cmd: ['printf %s "$CONF" > /tmp/nginx.conf && exec nginx -c /tmp/nginx.conf -g "daemon off;"'], Env: [`CONF=${conf}`] });
/** A resumed session would skip the look at the list. */
const CHECKS_LIST = `ssl_crl ${DIRECTORY}/crl.pem; ssl_verify_depth 3; ssl_session_cache off; ssl_session_tickets off;`;
/** Who comes with the identity of the container is shown this one's serial number. */
const WHAT_IS_SERVED = `openssl s_client -connect 127.0.0.1:8443 -cert ${DIRECTORY}/identity.pem -key ${DIRECTORY}/identity.pem < /dev/null 2> /dev/null | openssl x509 -noout -serial`;

/** Says yes to every reload, and reads its files again only after a SIGUSR2. */
const STUBBORN = `
	const { readFileSync } = require('node:fs');
	const files = () => ({ key: readFileSync('${DIRECTORY}/identity.pem'), cert: readFileSync('${DIRECTORY}/identity.pem') });
	const server = require('node:tls').createServer(files(), (socket) => socket.on('error', () => {})).listen(8443);
	let obeys = false;
	process.on('SIGUSR2', () => (obeys = true));
	require('node:http').createServer((request, response) => {
		if (obeys) server.setSecureContext(files());
		response.writeHead(204).end();
	}).listen(8080, '127.0.0.1');
`;

test.before('there is an image of nginx', async () => {
	const steps = new Steps(join(BUILD, 'logs/reload.log'));
	await buildServerImages(steps, dockerCommand(steps, world.host));
});

async function start(t: ExecutionContext, labels: { reload: string; lifetimeSeconds?: number }, options: Docker.ContainerCreateOptions) {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', port: 8443, ...labels }, options);
	const until = (what: string, isSo: (identity: Identity) => boolean): Promise<Identity> => eventually(what, async () => {
		const identity = await world.identity(name);
		return identity !== undefined && isSo(identity) && identity;
	}).catch(async (cause: unknown) => {
		throw new Error(`${what}: not so. The container says: ${await world.logs(container)}`, { cause });
	});
	const isVerified = ({ reload, serial }: Identity): boolean => reload?.outcome === 'verified' && reload.serial === serial;
	const renew = async (): Promise<void> => {
		t.like(await world.exec(container, [AGENT, 'renew']), { code: 0 });
	};
	return { name, container, until, isVerified, renew };
}

test('nginx is signalled after each renewal, serves the new certificate, and the CA knows', async (t) => {
	t.timeout(600_000);
	const server = await start(t, { reload: 'signal:HUP', lifetimeSeconds: 20 }, nginx());
	const first = await server.until('it serves its first certificate', server.isVerified);
	const later = await server.until('it serves a later one', (identity) => identity.renewals > first.renewals && server.isVerified(identity));
	t.like(later.reload, { verifiedSerial: later.serial });
	const { stdout } = await world.exec(server.container, ['sh', '-c', WHAT_IS_SERVED]);
	const served = /^serial=([0-9A-F]+)$/m.exec(stdout)?.[1]?.toLowerCase();
	const { identities } = JSON.parse((await world.birthmark(['show', server.name, '--json'])).stdout) as { identities: readonly Identity[] };
	t.true(identities.some(({ serial, renewals }) => serial === served && renewals >= later.renewals), `it serves ${served}`);
	t.regex((await world.birthmark(['ls'])).stdout, new RegExp(`^${server.name} .* (?:verified|pending)$`, 'm'));
});

test('a command is run in the container, and what it leaves behind is reaped', async (t) => {
	t.timeout(600_000);
	const server = await start(t, { reload: 'exec:["sh","-c","(sleep 0.1 &); nginx -c /tmp/nginx.conf -s reload"]' }, nginx());
	const first = await server.until('it serves its first certificate', server.isVerified);
	await server.renew();
	await server.until('it serves the next one', (identity) => identity.serial !== first.serial && server.isVerified(identity));
	await eventually('no process is left unreaped', async () => {
		const { stdout } = await world.exec(server.container, ['ps', '-o', 'stat,args']);
		return !/^Z|sleep/m.test(stdout);
	});
});

test('nginx refuses a client that was revoked a moment ago, without a renewal, and goes on serving others', async (t) => {
	t.timeout(600_000);
	const network = await world.network(t);
	const HostConfig = { NetworkMode: network.id };
	const server = await start(t, { reload: 'signal:HUP' }, { ...nginx(nginxConf(CHECKS_LIST)), HostConfig });
	const { serial } = await server.until('it serves its certificate', server.isVerified);
	const { NetworkSettings } = await server.container.inspect();
	const { IPAddress } = Object.values(NetworkSettings.Networks)[0]!;
	const call = `curl --silent --show-error --cacert ${DIRECTORY}/ca.crt --cert ${DIRECTORY}/identity.pem --resolve ${server.name}:8443:${IPAddress} https://${server.name}:8443/`;
	const client = async (command: string) => {
		const commonName = world.name();
		const container = await world.start(t, { commonName, organizationalUnit: 'web-api' }, { Image: 'nginx:1.28', Entrypoint: ['sh', '-c'], Cmd: [command], HostConfig });
		await eventually('the client has an identity', async () => (await world.exec(container, ['test', '-e', `${DIRECTORY}/identity.pem`])).code === 0);
		return { commonName, container, answer: async () => (await world.exec(container, ['sh', '-c', call])).stdout };
	};
	const other = await client(`while sleep 0.2; do ${call}; echo; done`);
	const revoked = await client('exec sleep 600');
	t.is(await revoked.answer(), 'hello');

	t.is((await world.birthmark(['revoke', '--cn', revoked.commonName])).code, 0);
	await eventually('it is refused', async () => (await revoked.answer()).includes('The SSL certificate error'));
	t.like(await world.identity(server.name), { serial, renewals: 0, reload: { outcome: 'verified' } });
	const answered = async (): Promise<string[]> => (await world.logs(other.container)).split('\n').filter((line) => line !== '' && !line.startsWith('{'));
	const before = (await answered()).length;
	await eventually('the other client is answered', async () => (await answered()).length > before + 2);
	t.deepEqual([...new Set(await answered())], ['hello']);
});

test('an application that goes on serving the old certificate is seen by everybody, and told again until it obeys', async (t) => {
	t.timeout(600_000);
	const app = await start(t, { reload: 'http://127.0.0.1:8080/reload' }, { Image: 'birthmark/demo', Entrypoint: ['/usr/bin/node'], Cmd: ['-e', STUBBORN] });
	const { serial: old } = await app.until('it serves its first certificate', app.isVerified);
	await app.renew();
	const stubborn = await app.until('the mismatch is known', ({ reload }) => reload?.outcome === 'mismatch');
	t.like(stubborn.reload, { serial: stubborn.serial, servedSerial: old, verifiedSerial: old });
	t.not(stubborn.serial, old);
	t.regex((await world.birthmark(['ls'])).stdout, new RegExp(`^${app.name} .* mismatch \\(\\d+\\)$`, 'm'));
	t.regex((await world.birthmark(['show', stubborn.serial])).stdout, new RegExp(`^reload +mismatch: the application serves another certificate, ${old} `, 'm'));
	t.true(metric(await world.metrics(), 'birthmark_identities_reload{outcome="mismatch"}') >= 1);
	t.regex(await world.logs(app.container), new RegExp(`the application does not serve the certificate: at 127\\.0\\.0\\.1:8443 it serves another certificate, ${old}`));

	await app.container.kill({ signal: 'SIGUSR2' });
	const obedient = await app.until('it serves the new one', app.isVerified);
	t.is(obedient.serial, stubborn.serial);
	t.true(obedient.reload!.attempts > 1);
});

function metric(text: string, name: string): number {
	return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? Number.NaN);
}
