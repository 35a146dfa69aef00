/**
 * The engine, plugin and CA that `make test` has set up, for the integration stories; with
 * containers that go away at the end of each test, whatever happens.
 */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import Docker from 'dockerode';
import type { Identity, IdentityList } from '#common/protocol/messages.ts';
import type { PluginStatus } from '#common/protocol/plugin-status.ts';
import type { CaClient } from '../../cli/ca-client.ts';
import { listIdentities } from '../../cli/identities.ts';
import { engineEnvironment } from '../../scripts/engines.ts';
import { enginePaths, type EnginePaths } from '../../scripts/paths.ts';
import { pluginStatus } from '../../scripts/set-up.ts';
import { provision, type ContainerIdentity } from '../../hook/provision.ts';
import { addRulesUntil } from './policy.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
export const AGENT = '/run/birthmark/bin/birthmark-agent';
export const DIRECTORY = '/run/birthmark';

/** What nobody may do without a rule, and stories do all the same; what becomes of those who have none is in the catalogue of abuses. */
const OPERATORS_COMMANDS: readonly string[] = ['plugin', 'swarm'];
const OPERATORS_RULE = '@id("test-operator") permit (principal, action in [Action::"plugin-control", Action::"plugin-install", Action::"swarm"], resource);';

export interface Setting {
	readonly host: string;
	readonly state: string;
	readonly caUrl: string;
	readonly caContainer: string;
	readonly plugin: string;
	/** what the engine says of itself, `26.1.5+dfsg1` */
	readonly engineVersion: string;
	/** of the CA; in its container's volume when absent */
	readonly adminSocket?: string;
}

export interface Ran {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

export interface World extends Setting {
	readonly paths: EnginePaths;
	readonly docker: Docker;
	/** the first number of its version, for what differs between engines */
	readonly engineMajor: number;
	/** a name that no other test uses: `api<random>` */
	name(prefix?: string): string;
	/** Creates a container with an identity, not started; removed with its volume after the test. */
	create(t: ExecutionContext, identity: ContainerIdentity, options: Docker.ContainerCreateOptions): Promise<Docker.Container>;
	/** The same, started. */
	start(t: ExecutionContext, identity: ContainerIdentity, options: Docker.ContainerCreateOptions): Promise<Docker.Container>;
	/** Started with volume and token, but with its own entry point: nobody redeems the token. */
	startWithoutAgent(t: ExecutionContext, identity: ContainerIdentity, options: Docker.ContainerCreateOptions): Promise<Docker.Container>;
	/** Creates a container exactly as given. */
	plain(t: ExecutionContext, options: Docker.ContainerCreateOptions): Promise<Docker.Container>;
	/** Makes a bridge network, removed after the test. */
	network(t: ExecutionContext): Promise<Docker.Network>;
	exec(container: Docker.Container, command: readonly string[], options?: { user?: string }): Promise<Ran>;
	/** @param which default both standard output and standard error */
	logs(container: Docker.Container, which?: { readonly stdout?: boolean; readonly stderr?: boolean }): Promise<string>;
	/** The docker command line against this engine; plugins and swarms as somebody whom the policy lets control them. */
	cli(args: readonly string[], input?: string): Promise<Ran>;
	/** What the birthmark command reads of the CA, without starting it: stories ask many times. */
	readonly ca: Pick<CaClient, 'json'>;
	/** The birthmark command, over the CA's admin socket. */
	birthmark(args: readonly string[], input?: string): Promise<Ran>;
	identities(all?: boolean): Promise<readonly Identity[]>;
	identity(commonName: string): Promise<Identity | undefined>;
	status(): Promise<PluginStatus | undefined>;
	/** of the CA, in the text format of Prometheus */
	metrics(): Promise<string>;
}

/** Far beyond what a quiet machine needs: several engines share the one that this runs on. */
const PATIENCE_SECONDS = 120;

/** For what no event tells: asks every 25 ms. @throws Error with `what` after `seconds` */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>, seconds = PATIENCE_SECONDS): Promise<T> {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		const answer = await ask();
		if (answer !== undefined && answer !== false) return answer;
		if (Date.now() > end) throw new Error(`${seconds} s passed, and still not: ${what}`);
		await sleep(25);
	}
}

/** @throws Error when the stories were not started by `make test-integration` */
function givenSetting(): Setting {
	const text = process.env['BIRTHMARK_TEST'];
	if (!text) throw new Error('there is no engine for this test: run it with make test-integration STORY=<name>');
	return JSON.parse(text) as Setting;
}

/** @param setting the engine that `make test-integration` has set up when absent */
export function openWorld(setting = givenSetting()): World {
	const paths = enginePaths(setting.state);
	const docker = new Docker({ socketPath: paths.socket });
	const adminSocket = setting.adminSocket ?? join(paths.data, 'volumes/birthmark-ca/_data/ca/admin.sock');

	const run = (command: string, args: readonly string[], env: Record<string, string>, input = ''): Promise<Ran> =>
		new Promise((resolve) => {
			const child = execFile(command, args, { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
				resolve({ code: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr });
			});
			child.stdin?.on('error', () => {});
			child.stdin?.end(input);
		});

	const askCa = async (method: string, path: string): Promise<{ status: number; text: string }> => {
		// A connection each time: stories end the CA and start it again.
		const [answer] = await once(request({ method, socketPath: adminSocket, path, agent: false }).end(), 'response') as [IncomingMessage];
		return { status: answer.statusCode!, text: Buffer.concat(await answer.toArray() as Buffer[]).toString() };
	};

	const world: World = {
		...setting,
		paths,
		docker,
		engineMajor: Number.parseInt(setting.engineVersion, 10),
		name: (prefix = 'api') => prefix + randomBytes(4).toString('hex'),
		plain: async (t, options) => {
			const container = await docker.createContainer(options);
			t.teardown(() => container.remove({ force: true, v: true }).catch(ignoreMissing));
			return container;
		},
		create: async (t, identity, options) => world.plain(t, await provision(docker, options, identity)),
		start: async (t, identity, options) => {
			const container = await world.create(t, identity, options);
			await container.start();
			return container;
		},
		startWithoutAgent: async (t, identity, options) => {
			const { Entrypoint, Cmd } = options;
			const container = await world.plain(t, { ...(await provision(docker, options, identity)), ...(Entrypoint && { Entrypoint }), ...(Cmd && { Cmd }) });
			await container.start();
			return container;
		},
		network: async (t) => {
			// Interface names have 15 characters at most; the firewall rule for the engine's bridges goes by their beginning.
			const bridge = `${paths.bridge}-${randomBytes(2).toString('hex')}`;
			const network = await docker.createNetwork({ Name: world.name('net'), Options: { 'com.docker.network.bridge.name': bridge } });
			t.teardown(() => network.remove());
			return network;
		},
		exec: async (container, command, options = {}) => {
			const exec = await container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true, ...(options.user === undefined ? {} : { User: options.user }) });
			const stream = await exec.start({ hijack: true, stdin: false });
			const [stdout, stderr] = await demultiplex(docker, stream);
			const { ExitCode } = await exec.inspect();
			return { code: ExitCode ?? -1, stdout, stderr };
		},
		logs: async (container, which = { stdout: true, stderr: true }) => {
			const log = (await container.logs({ ...which, follow: false })) as unknown as Buffer;
			return stripHeaders(log);
		},
		// The machine may have no docker command of its own.
		cli: async (args, input) => {
			const withdraw = OPERATORS_COMMANDS.includes(args[0] ?? '') ? addRulesUntil(setting, OPERATORS_RULE) : () => {};
			try {
				return await run('docker', args, { ...engineEnvironment(), DOCKER_HOST: setting.host }, input);
			} finally {
				withdraw();
			}
		},
		ca: {
			json: async <T>(method: string, path: string) => {
				const { status, text } = await askCa(method, path);
				if (status !== 200) throw new Error(`${method} ${path}: the CA answered ${status}: ${text}`);
				return JSON.parse(text) as T;
			},
		},
		birthmark: (args, input) => run(join(PROJECT, 'bin/birthmark'), args, { BIRTHMARK_CA_SOCKET: adminSocket, DOCKER_HOST: setting.host }, input),
		identities: async (all = false) => (await listIdentities(world.ca, all)).filter(({ role }) => role === 'workload'),
		identity: async (commonName) => {
			if (!(await world.identities()).some((identity) => identity.commonName === commonName)) return undefined;
			// Whoever waits for it asks often; what is looked at then is what the command shows.
			const { code, stdout, stderr } = await world.birthmark(['ls', '--json']);
			if (code !== 0) throw new Error(`birthmark ls: ${stderr}`);
			return (JSON.parse(stdout) as IdentityList).identities.find((identity) => identity.commonName === commonName);
		},
		status: () => pluginStatus(setting.host),
		metrics: async () => (await askCa('GET', '/v1/metrics')).text,
	};
	return world;
}

function ignoreMissing(error: { statusCode?: number }): void {
	// Gone already, or on its way (--rm).
	if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
}

async function demultiplex(docker: Docker, stream: NodeJS.ReadableStream): Promise<[string, string]> {
	const out = new PassThrough();
	const err = new PassThrough();
	docker.modem.demuxStream(stream, out, err);
	stream.on('end', () => {
		out.end();
		err.end();
	});
	const text = async (from: PassThrough): Promise<string> => {
		const chunks: Buffer[] = [];
		for await (const chunk of from as AsyncIterable<Buffer>) chunks.push(chunk);
		return Buffer.concat(chunks).toString();
	};
	return Promise.all([text(out), text(err)]);
}

/** A log of a container without a terminal: frames of eight header bytes and a payload. */
function stripHeaders(log: Buffer): string {
	const parts: Buffer[] = [];
	for (let at = 0; at + 8 <= log.length; ) {
		const length = log.readUInt32BE(at + 4);
		parts.push(log.subarray(at + 8, at + 8 + length));
		at += 8 + length;
	}
	return Buffer.concat(parts).toString();
}
