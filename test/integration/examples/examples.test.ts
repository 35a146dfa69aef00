/**
 * docs/examples as their READMEs have them, in containers of a real engine: nginx, HAProxy, PostgreSQL and
 * Redis of the distribution, with the configurations and the compose.yaml of the documentation, byte for
 * byte. Each is looked at by mutual TLS before and after its certificate is replaced.
 *
 * Not covered: `docker compose` itself (test/support/compose-engine.ts does its part); the public images,
 * in whose place are those of test/support/server-images.ts and postgres-image.ts.
 */

import test, { type ExecutionContext } from 'ava';
import { randomInt, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type Docker from 'dockerode';
import { dockerCommand } from '../../../scripts/images.ts';
import { BUILD } from '../../../scripts/paths.ts';
import { Steps } from '../../../scripts/steps.ts';
import { readComposeServices } from '../../support/compose.ts';
import { composeProject } from '../../support/compose-engine.ts';
import { addRules } from '../../support/policy.ts';
import { buildPostgresImage } from '../../support/postgres-image.ts';
import { buildServerImages } from '../../support/server-images.ts';
import { DIRECTORY, eventually, openWorld, type Ran } from '../../support/world.ts';

const world = openWorld();
const EXAMPLES = fileURLToPath(new URL('../../../docs/examples', import.meta.url));
const RULES = ['app*/app', 'cache/cache', 'db/db', 'proxy/proxy', 'web/web'];
const MAY_LOOK = '@id("examples-look") permit (principal, action == Action::"exec", resource) when { ["app", "cache", "db", "proxy", "web"].contains(resource.ou) };';
const SECONDS = 120;
const RUNTIME = 'birthmark';
const FILES = ['-CAfile', `${DIRECTORY}/ca.crt`, ...['-cert', '-cert_chain', '-key'].flatMap((option) => [option, `${DIRECTORY}/identity.pem`]), '-verify_return_error'];

const node = (action: string): Promise<Ran> => world.birthmark(['node', action, 'test-host', ...RULES]);

test.before('the images, and names for the examples', async () => {
	const steps = new Steps(join(BUILD, 'logs/examples.log'));
	const docker = dockerCommand(steps, world.host);
	await buildServerImages(steps, docker);
	await buildPostgresImage(steps, docker, 'postgres:16');
	await node('allow');
});
test.after.always('the names are nobody\'s again', () => node('disallow'));

test('nginx: callers with an identity get in, before and after a renewal; a request under way is answered, the revoked are refused', async (t) => {
	const answer = /^hello CN=app,OU=app,O=test$/;
	const example = await start(t, 'nginx', answer);
	const url = 'https://web:8443/';
	const stranger = await example.stranger('nginx:1.28');
	t.deepEqual(await curl(stranger, url), { text: `hello CN=${stranger.name},OU=app,O=test\n`, error: '' });
	t.regex((await curl(stranger, url, { anonymous: true })).text, /No required SSL certificate was sent/);

	await example.revoke(stranger, 'web');
	await eventually('the stranger is refused, without a renewal', async () => (await curl(stranger, url)).text.includes('The SSL certificate error'), SECONDS);
	const open = await example.hold(halfRequest('web', 8443), /Verify return code: 0/);
	await example.renew('web', 8443);
	t.regex(await open.goOn(), /HTTP\/1.1 200 OK[^]*hello CN=app,OU=app,O=test/, 'the old worker answers what was asked of it');
	t.true((await curl(stranger, url)).text.includes('The SSL certificate error'));
	await example.nobodyNoticed(answer);
});

test('HAProxy: mutual TLS on both sides, before and after each of them is renewed; the revoked do not come through', async (t) => {
	const answer = /^hello CN=proxy,OU=proxy,O=test$/;
	const example = await start(t, 'haproxy', answer);
	const url = 'https://proxy:8443/';
	const stranger = await example.stranger('nginx:1.28');
	t.deepEqual(await curl(stranger, url), { text: 'hello CN=proxy,OU=proxy,O=test\n', error: '' });
	t.regex((await curl(stranger, url, { anonymous: true })).error, /alert certificate required/);

	await example.revoke(stranger, 'proxy');
	await eventually('the stranger is refused, without a renewal', async () => (await curl(stranger, url)).error.includes('alert certificate revoked'), SECONDS);
	const open = await example.hold(halfRequest('proxy', 8443), /Verify return code: 0/);
	await example.renew('proxy', 8443);
	t.regex(await open.goOn(), /HTTP\/1.1 200 OK[^]*hello CN=proxy,OU=proxy,O=test/, 'the old worker passes on what was asked of it');
	t.true((await curl(stranger, url)).error.includes('alert certificate revoked'));
	await example.renew('web', 8443);
	await example.nobodyNoticed(answer);
});

test('PostgreSQL: the certificate is the password, before and after a renewal; a session stays, the revoked are refused', async (t) => {
	const answer = /^ TLSv1.3 \| \/O=test\/OU=app\/CN=app$/;
	const example = await start(t, 'postgresql', answer);
	const ask = 'select client_dn, client_serial from pg_stat_ssl where pid = pg_backend_pid()';
	const psql = async (container: Docker.Container, options = ''): Promise<string> => {
		const { stdout, stderr } = await world.exec(container, ['psql', `dbname=app ${options}`, '--no-psqlrc', '--tuples-only', '--no-align', '--command', ask]);
		return stdout + stderr;
	};
	const { Env } = (await example.app.inspect()).Config;
	const stranger = await example.stranger('postgres:16', { Env, User: 'postgres' });

	const [name, serial] = (await psql(example.app)).trim().split('|');
	t.is(name, '/O=test/OU=app/CN=app');
	t.is(BigInt(serial!), BigInt(`0x${(await world.identity('app'))!.serial}`));
	t.true((await psql(stranger.container)).startsWith(`/O=test/OU=app/CN=${stranger.name}|`));
	t.regex(await psql(example.app, 'sslcert=/none sslkey=/none'), /connection requires a valid client certificate/);
	t.regex(await psql(example.app, 'user=postgres'), /certificate authentication failed for user "postgres"/, 'the name is good for one role only');
	t.regex(await psql(example.app, 'sslmode=disable'), /no pg_hba.conf entry .*no encryption/);
	const open = await example.hold('(echo "select pg_backend_pid();"; wait_for_it; echo "select pg_backend_pid();") | psql --no-psqlrc --tuples-only --no-align', /^\d+\n/);

	await example.revoke(stranger, 'db');
	await eventually('the stranger is refused, without a renewal', async () => (await psql(stranger.container)).includes('revoked'), SECONDS);
	await example.renew('db', 5432, ['-starttls', 'postgres']);
	t.regex(await psql(stranger.container), /revoked/);
	const [before, after] = (await open.goOn()).trim().split('\n');
	t.is(after, before, 'the same session');
	await example.nobodyNoticed(answer);
});

test('Redis: nobody talks to it without an identity, before and after a renewal; a connection stays', async (t) => {
	const answer = /^\d+$/;
	const example = await start(t, 'redis', answer);
	const cli = `redis-cli -h cache --tls --cacert ${DIRECTORY}/ca.crt`;
	const own = `--cert ${DIRECTORY}/identity.pem --key ${DIRECTORY}/identity.pem`;
	const call = async (command: string): Promise<string> => {
		const { stdout, stderr } = await world.exec(example.app, ['sh', '-c', command]);
		return stdout + stderr;
	};
	const open = await example.hold(`(echo client id; wait_for_it; echo client id) | ${cli} ${own}`, /^\d+\n/);
	const look = async (): Promise<void> => {
		t.is(await call(`${cli} ${own} ping`), 'PONG\n');
		t.notRegex(await call(`${cli} ping`), /PONG/);
		t.notRegex(await call('redis-cli -h cache ping'), /PONG/, 'nor without TLS');
	};
	await look();
	await example.renew('cache', 6379);
	await look();
	const [before, after] = (await open.goOn()).trim().split('\n');
	t.is(after, before, 'the same connection');
	await example.nobodyNoticed(answer);
});

interface Stranger {
	readonly container: Docker.Container;
	readonly name: string;
}

interface Held {
	/** Lets it end. @returns what it printed */
	goOn(): Promise<string>;
}

interface Example {
	/** the caller of the example */
	readonly app: Docker.Container;
	/** Another container with an identity of the caller's role, on the same network. */
	stranger(image: string, options?: Docker.ContainerCreateOptions): Promise<Stranger>;
	/** Begins something in the caller's container that stays open; `wait_for_it` in it is where it waits. */
	hold(script: string, begun: RegExp): Promise<Held>;
	/** Revokes it, and waits until the list on the server's volume says so. */
	revoke(stranger: Stranger, service: string): Promise<void>;
	/** Replaces a server's certificate, and waits until the caller is shown the new one. */
	renew(service: string, port: number, options?: readonly string[]): Promise<void>;
	/** What the example's own caller says is what it said at first, and nothing else, up to now. */
	nobodyNoticed(answer: RegExp): Promise<void>;
}

/** Starts what the example's compose.yaml has, and waits until the caller is answered. */
async function start(t: ExecutionContext, name: string, answer: RegExp): Promise<Example> {
	t.timeout(600_000);
	addRules(t, world, MAY_LOOK);
	const folder = join(EXAMPLES, name);
	const services = readComposeServices(join(folder, 'compose.yaml'), {});
	const project = await composeProject(t, world, services, folder);
	await project.up();
	const app = project.container('app');
	const answers = async (): Promise<string[]> => (await world.logs(app)).split('\n').filter((line) => line.trim() !== '');
	await eventually('the caller is answered', async () => (await answers()).some((line) => answer.test(line)), SECONDS).catch(async (cause: unknown) => {
		const logs = await Promise.all(Object.keys(services).map(async (service) => `${service}:\n${(await world.logs(project.container(service))).split('\n').slice(-10).join('\n')}`));
		throw new Error(`the caller is not answered\n${logs.join('\n')}`, { cause });
	});

	const served = async (host: string, port: number, options: readonly string[]): Promise<string | undefined> => {
		const { stdout } = await world.exec(app, ['openssl', 's_client', '-connect', `${host}:${port}`, '-verify_hostname', host, ...FILES, ...options]);
		const [pem] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(stdout) ?? [];
		return stdout.includes('Verify return code: 0 (ok)') && pem !== undefined ? new X509Certificate(pem).serialNumber.toLowerCase() : undefined;
	};
	return {
		app,
		async stranger(image, options = {}) {
			const name = `app-${randomInt(1e9)}`;
			const container = await world.plain(t, { Image: image, Entrypoint: ['sleep'], Cmd: ['600'], Labels: { 'birthmark.cn': name }, ...options, HostConfig: { NetworkMode: project.network, Runtime: RUNTIME } });
			await container.start();
			await eventually('the stranger has an identity', async () => (await world.exec(container, ['test', '-e', `${DIRECTORY}/identity.pem`])).code === 0, SECONDS);
			return { container, name };
		},
		async hold(script, begun) {
			const file = `/tmp/held-${randomInt(1e9)}`;
			const run = world.exec(app, ['sh', '-c', `wait_for_it() { until [ -e ${file}.go ]; do sleep 1; done; }; (${script}) > ${file} 2>&1`]);
			const printed = async (): Promise<string> => (await world.exec(app, ['cat', file])).stdout;
			await eventually('it has begun', async () => begun.test(await printed()), SECONDS);
			return {
				async goOn() {
					await world.exec(app, ['touch', `${file}.go`]);
					await run;
					return printed();
				},
			};
		},
		async revoke(stranger, service) {
			const { serial } = (await world.identity(stranger.name))!;
			t.is((await world.birthmark(['revoke', '--cn', stranger.name])).code, 0);
			await eventually('the list on the volume says so', async () => {
				const { stdout } = await world.exec(project.container(service), ['cat', `${DIRECTORY}/crl.pem`]);
				const lists = stdout.split('-----END X509 CRL-----').map((pem) => Buffer.from(pem.replace(/-----BEGIN X509 CRL-----/, ''), 'base64'));
				return lists.some((list) => list.includes(Buffer.from(serial, 'hex')));
			}, SECONDS);
		},
		async renew(service, port, options = []) {
			const { serial } = (await world.identity(service))!;
			t.is(await served(service, port, options), serial);
			const rotated = await world.birthmark(['rotate', '--cn', service, '--timeout', '120']);
			t.is(rotated.code, 0, rotated.stderr);
			const renewed = await eventually('the agent has looked at what is served', async () => {
				const { reload, ...identity } = (await world.identity(service))!;
				return identity.serial !== serial && reload?.verifiedSerial === identity.serial && identity.serial;
			}, SECONDS);
			await eventually('the caller is shown the same', async () => (await served(service, port, options)) === renewed, SECONDS);
		},
		async nobodyNoticed(answer) {
			const before = (await answers()).filter((line) => answer.test(line)).length;
			const lines = await eventually('the caller goes on', async () => {
				const lines = await answers();
				return lines.filter((line) => answer.test(line)).length > before && lines;
			}, SECONDS);
			t.deepEqual(lines.slice(lines.findIndex((line) => answer.test(line))).filter((line) => !answer.test(line)), []);
		},
	};
}

/** What the server says, and why there is no answer. */
async function curl({ container }: Pick<Stranger, 'container'>, url: string, { anonymous = false } = {}): Promise<{ text: string; error: string }> {
	const own = anonymous ? [] : ['--cert', `${DIRECTORY}/identity.pem`];
	const { stdout, stderr } = await world.exec(container, ['curl', '--silent', '--show-error', '--max-time', '20', '--cacert', `${DIRECTORY}/ca.crt`, ...own, url]);
	return { text: stdout, error: stderr };
}

/** A request whose last line comes later. */
function halfRequest(host: string, port: number): string {
	return `(printf 'GET / HTTP/1.1\\r\\nHost: ${host}\\r\\n'; wait_for_it; printf 'Connection: close\\r\\n\\r\\n') | openssl s_client -connect ${host}:${port} -verify_hostname ${host} ${FILES.join(' ')} -ign_eof`;
}
