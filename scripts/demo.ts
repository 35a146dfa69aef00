/** `make demo`: the main job, step by step, on an engine of its own. */

import { join } from 'node:path';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { bundleDigest } from '#common/protocol/token.ts';
import { buildAll } from './build.ts';
import { demoEngine, DEMO, type DemoEngine } from './demo-engine.ts';
import { buildImages, dockerCommand, type Docker } from './images.ts';
import { DEMO_STATE, PROJECT, TOOLS } from './paths.ts';
import { createPlugin, layOutPlugin, PLUGIN } from './plugin.ts';
import { freePort, portIsFree } from './ports.ts';
import { CA_CONTAINER, enablePlugin, makeToken, pluginStatus, startCa, until } from './set-up.ts';
import { runMain, StepError, Steps } from './steps.ts';

const DEFAULT_PORT = 33004;
const AGENT = '/run/birthmark/bin/birthmark-agent';
const NODE = '/usr/bin/node';
const SERVICE = '/app/service.mjs';
/** What the demo's node may authorize. */
const ALLOW = ['api??/api', 'web??/web'];

const logFile = join(DEMO_STATE, 'logs/demo.log');
const home = join(DEMO_STATE, 'operator');
const say = (text = ''): void => void process.stdout.write(text + '\n');
const indent = (text: string): string => text.replace(/^/gm, '    ');

async function main(): Promise<void> {
	const steps = new Steps(logFile);
	const engine = demoEngine(steps);
	const docker = dockerCommand(steps, engine.host);
	const started = performance.now();

	say('Birthmark demo: every container gets an X.509 identity at birth and loses it when it dies.\n');
	const rootFileSystem = await buildAll(steps);
	await steps.step(engine.startTitle, () => engine.start(), () => `DOCKER_HOST=${engine.host}`);
	await steps.step('Building the images, without a registry', () => buildImages(steps, docker, rootFileSystem), ({ built, of }) => `${built} of ${of} changed`);
	await steps.step('Removing what an earlier demo left', () => removeOld(docker));
	const layout = layOutPlugin(rootFileSystem);
	const created = await steps.step('Packaging the engine plugin', () => createPlugin(docker, layout, engine.state, () => engine.release()), (fresh) => (fresh ? 'new' : 'unchanged'));
	const port = await caPort(docker);
	const caUrl = await steps.step('Starting the CA as a container', () => startCa(docker, { container: CA_CONTAINER, volume: DEMO.caVolume, port, settings: { BIRTHMARK_CA_TRUST_DOMAIN: 'demo.internal', BIRTHMARK_CA_ENVIRONMENT: 'demo' } }));
	await steps.step('Logging in as an operator', () => login(steps, docker, caUrl), (digest) => `trust bundle ${digest}`);
	await steps.step('Joining: one-time token, plugin enabled', () => joinNode(docker, engine, caUrl, created), (how) => how);
	await steps.step('birthmark engine setup: birthmark-runtime, and the authorization chain', () => engine.setUp(), () => 'proved: the engine asks the plugin before it acts');

	say('\nTwo services, each born with its own identity:\n');
	await steps.step('Making a network for them', () => makeNetwork(docker, engine));
	const birth = await steps.step('docker run --label birthmark.cn=api01', () => run(docker, 'api01', 'server'), (ms) => `identity in place ${ms} ms after "docker run"`);
	await steps.step('docker run --label birthmark.cn=web01', () => run(docker, 'web01', 'idle'), (ms) => `identity in place ${ms} ms after "docker run"`);

	say('\nWhat they can do, and what nobody else can:\n');
	await show(steps, 'web01 calls api01 over mutual TLS', () => call(docker, 'web01'), { accepted: true });
	await show(steps, 'a container without an identity calls api01', () => strangerCalls(docker), { accepted: false });
	await show(steps, 'docker run --label birthmark.cn=db01, a name outside the policy', () => runOutsidePolicy(docker), { accepted: false });
	const stolen = await docker(['exec', 'web01', NODE, '-e', 'process.stdout.write(require("fs").readFileSync("/run/birthmark/identity.pem"))'], { quiet: true });
	await show(steps, 'a thief, who as root copied the key out of web01, calls api01', () => thiefCalls(docker, stolen.stdout), { accepted: true });
	say('\n$ birthmark ls');
	say(indent(await birthmark(steps, ['ls'])));
	say();
	await steps.step('docker stop web01: its identity dies with it', () => docker(['stop', '--time', '5', 'web01']));
	await steps.step('Waiting until the revocation list has reached api01', () =>
		until(async () => !(await thiefCalls(docker, stolen.stdout)).accepted, 60, 'api01 still accepts the identity of the stopped web01', `read ${logFile}`),
	);
	await show(steps, 'the thief calls again, with the key of the stopped container', () => thiefCalls(docker, stolen.stdout), { accepted: false });
	say(indent(`and api01 logs why: ${await lastLogLine(docker, 'api01', 'CERT_REVOKED')}`));
	say('\n$ birthmark ls --all');
	say(indent(await birthmark(steps, ['ls', '--all'])));

	say(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s. From "docker run" to certificate in place: ${birth} ms (api01).`);
	const tools = (await hasDockerCommand(steps)) ? '' : ` PATH=${join(TOOLS, 'usr/bin')}:$PATH`;
	say(`
What to try next:
    export DOCKER_HOST=${engine.host} BIRTHMARK_HOME=${home}${tools}
    bin/birthmark doctor                     is everything in place?
    bin/birthmark show api01                 all about one identity
    docker logs api01                        who called, who was refused
    docker run --rm --network ${DEMO.network} --label birthmark.cn=web02 birthmark/demo \\
        ${NODE} ${SERVICE} call https://api01:8443/
    bin/birthmark revoke --cn api01          take an identity away
    make down                                remove everything again`);
}

/** The default port, or a free one when something of the machine's has it. */
async function caPort(docker: Docker): Promise<number> {
	const published = (await docker(['container', 'inspect', '--format', '{{(index (index .HostConfig.PortBindings "33004/tcp") 0).HostPort}}', CA_CONTAINER], { mayFail: true })).stdout.trim();
	if (/^\d+$/.test(published)) return Number(published);
	return (await portIsFree(DEFAULT_PORT)) ? DEFAULT_PORT : freePort();
}

async function login(steps: Steps, docker: Docker, caUrl: string): Promise<string> {
	if (savedLogin()?.urls?.[0] !== caUrl || (await birthmarkResult(steps, ['ls'])).code !== 0) {
		const token = await makeToken(docker, CA_CONTAINER, ['operator', 'token', '--name', 'demo-operator']);
		await birthmark(steps, ['login', '--ca', caUrl], token);
	}
	return `sha256:${bundleDigest(savedLogin()!.bundle).toString('hex')}`;
}

function savedLogin(): { urls?: string[]; bundle: string } | undefined {
	const file = join(home, 'operator.json');
	return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { urls?: string[]; bundle: string }) : undefined;
}

async function joinNode(docker: Docker, engine: DemoEngine, caUrl: string, created: boolean): Promise<string> {
	const before = created ? undefined : await pluginStatus(engine.host);
	if (before?.joined && before.ca === 'reachable') return 'as demo-host, since the demo before';
	const enabled = (await docker(['plugin', 'inspect', '--format', '{{.Enabled}}', PLUGIN])).stdout.trim() === 'true';
	if (!enabled) {
		const joinToken = await makeToken(docker, CA_CONTAINER, ['node', 'token', '--name', 'demo-host', ...ALLOW.flatMap((pattern) => ['--allow', pattern])]);
		await enablePlugin(engine.host, { name: PLUGIN, caUrl, joinToken, run: engine.run, socket: engine.socket, policyFile: writePolicy(engine) });
	}
	return 'as demo-host';
}

/** Names are left to the CA's allow list; the demo looks into its own containers. */
function writePolicy({ state }: DemoEngine): string {
	const path = join(state, 'policy.cedar');
	writeFileSync(
		path,
		`@id("demo-run")
permit (principal, action == Action::"run", resource);

@id("demo-look-inside")
permit (principal, action == Action::"exec", resource) when { resource.name == "api01" || resource.name == "web01" };
`,
		{ mode: 0o644 },
	);
	return path;
}

async function removeOld(docker: Docker): Promise<void> {
	await docker(['rm', '--force', '--volumes', ...DEMO.containers], { mayFail: true });
}

async function makeNetwork(docker: Docker, engine: DemoEngine): Promise<void> {
	if ((await docker(['network', 'inspect', DEMO.network], { mayFail: true })).code === 0) return;
	const bridge = engine.bridge === undefined ? [] : ['--opt', `com.docker.network.bridge.name=${engine.bridge}`];
	await docker(['network', 'create', ...bridge, DEMO.network]);
}

/** Starts one service by label. @returns milliseconds from before `docker run` to the certificate in place */
async function run(docker: Docker, name: string, what: string): Promise<number> {
	const before = Date.now();
	await docker(['run', '--detach', '--name', name, '--network', DEMO.network, '--label', `birthmark.cn=${name}`, 'birthmark/demo', NODE, SERVICE, what]);
	let published = 0;
	await until(
		async () => {
			const status = await docker(['exec', name, AGENT, 'status', '--json'], { mayFail: true });
			if (status.code === 0) published = Date.parse((JSON.parse(status.stdout) as { publishedAt: string }).publishedAt);
			return status.code === 0;
		},
		20,
		`${name} got no identity`,
		`docker logs ${name} tells why`,
	);
	return published - before;
}

interface Call {
	readonly accepted: boolean;
	readonly text: string;
}

async function call(docker: Docker, from: string): Promise<Call> {
	const result = await docker(['exec', from, NODE, SERVICE, 'call', 'https://api01:8443/'], { mayFail: true });
	return { accepted: result.code === 0, text: result.stdout.trim() || result.stderr.trim() };
}

async function strangerCalls(docker: Docker): Promise<Call> {
	const result = await docker(['run', '--rm', '--name', 'stranger', '--network', DEMO.network, 'birthmark/demo', NODE, SERVICE, 'call', '--anonymous', 'https://api01:8443/'], { mayFail: true });
	return { accepted: result.code === 0, text: result.stdout.trim() || result.stderr.trim() };
}

async function thiefCalls(docker: Docker, identity: string): Promise<Call> {
	const result = await docker(['run', '--rm', '--interactive', '--name', 'stranger', '--network', DEMO.network, 'birthmark/demo', NODE, SERVICE, 'call', '--identity', '-', 'https://api01:8443/'], { mayFail: true, input: identity });
	return { accepted: result.code === 0, text: result.stdout.trim() || result.stderr.trim() };
}

async function runOutsidePolicy(docker: Docker): Promise<Call> {
	const result = await docker(['run', '--rm', '--name', 'db01', '--label', 'birthmark.cn=db01', 'birthmark/demo'], { mayFail: true });
	return { accepted: result.code === 0, text: result.stderr.trim().split('\n')[0] ?? '' };
}

/** @throws StepError when there is no such line: the refusal had another reason */
async function lastLogLine(docker: Docker, container: string, what: string): Promise<string> {
	const line = (await docker(['logs', container])).stdout.split('\n').findLast((text) => text.includes(what));
	if (line === undefined) throw new StepError(`${container} did not log ${what}`, `docker logs ${container}`);
	return line;
}

/** The unpacked packages bring one; only where the machine has none it must be found there. */
async function hasDockerCommand(steps: Steps): Promise<boolean> {
	return (await steps.run('sh', ['-c', 'command -v docker'], { mayFail: true })).code === 0;
}

/** Runs one step of the show; an outcome other than expected fails the demo. */
async function show(steps: Steps, title: string, work: () => Promise<Call>, expected: { accepted: boolean }): Promise<void> {
	const { text } = await steps.step(
		title,
		async () => {
			const result = await work();
			if (result.accepted !== expected.accepted) throw new StepError(`${title}: ${result.accepted ? 'accepted' : 'refused'}, and should not have been: ${result.text}`, `read ${logFile}, and docker logs api01`);
			return result;
		},
		() => (expected.accepted ? 'accepted' : 'refused'),
	);
	say(indent(text));
}

function birthmarkResult(steps: Steps, args: readonly string[], input = ''): ReturnType<Steps['run']> {
	return steps.run(join(PROJECT, 'bin/birthmark'), args, { input, mayFail: true, env: { BIRTHMARK_HOME: home, BIRTHMARK_CA_SOCKET: '' } });
}

async function birthmark(steps: Steps, args: readonly string[], input = ''): Promise<string> {
	const result = await birthmarkResult(steps, args, input);
	if (result.code !== 0) throw new StepError(`birthmark ${args[0]}: ${result.stderr.trim()}`, `read ${logFile}`);
	return result.stdout.trimEnd();
}

runMain(main, () => logFile);
