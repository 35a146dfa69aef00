/** Rules that leave the decision to the policy: what it is asked, and what passes without a question. */

import test from 'ava';
import type { PolicyAction } from '#common/policy/request.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { createMakers } from '../../../../plugin/authz/attach.ts';
import { createRemembered } from '../../../../plugin/authz/remembered.ts';
import { authorizeRequest, authorizeResponse } from '../../../../plugin/authz/authorizer.ts';
import { createContainerLookup } from '../../../../plugin/authz/container-lookup.ts';
import { splitUri, type EngineCall } from '../../../../plugin/authz/engine-call.ts';
import { createHostZones } from '../../../../plugin/authz/host-zones.ts';
import { createOwnCalls } from '../../../../plugin/authz/own-calls.ts';
import type { AuthorizerDeps } from '../../../../plugin/authz/rule.ts';
import { FakeJudge } from '../../../fakes/judge.ts';
import { FakePluginCa } from '../../../fakes/plugin-ca.ts';
import { engineContainer, FakeEngine, runtimesOf } from '../../../fakes/plugin-engine.ts';

const VICTIM = 'c'.repeat(64);
const PLAIN = 'e'.repeat(64);
const PLUGIN_ID = 'feed' + '0'.repeat(60);
const EXEC = '1'.repeat(64);

function world() {
	const engine = new FakeEngine();
	engine.list.push(engineContainer({ Id: VICTIM }), engineContainer({ Id: PLAIN, Names: ['/plain'], Labels: {} }));
	engine.execs.set(EXEC, VICTIM).set('2'.repeat(64), PLAIN);
	const judge = new FakeJudge();
	const self = async () => ({ id: PLUGIN_ID, name: 'birthmark:latest', protectedPaths: ['/var/lib/docker/plugins', '/run/birthmark'], dataRoot: '/var/lib/docker', runPaths: ['/run/docker.sock'] });
	const deps: AuthorizerDeps = {
		self,
		engine,
		ca: new FakePluginCa(),
		records: { hasVolume: () => false, identitiesOf: () => [], identityOfContainer: () => undefined, addIdentity: () => undefined, beginBirth: () => undefined, abandonBirth: () => undefined, services: { add: () => undefined } },
		forgetContainer: async () => undefined,
		onEnded: () => undefined,
		ownerOf: async () => ({ uid: 0, gid: 0 }),
		onHost: async (owner) => owner,
		ownCalls: createOwnCalls(),
		isPermitted: async () => false,
		policy: judge,
		environment: () => 'test',
		lookup: createContainerLookup({ engine }),
		hostZones: createHostZones({ self, hostRoot: '/nonexistent', policyPath: '/etc/birthmark/policy.cedar', runtimePaths: async () => [] }),
		ourPlugins: async () => [await self()],
		makers: createMakers(), imagesForRuntime: createRemembered(), withOurRuntime: createRemembered(), runtimes: runtimesOf(engine),
		onProof: () => true,
		onStartAsked: () => undefined,
		onContainersRemoved: () => undefined,
		logger: silentLogger,
	};
	return { deps, engine, judge };
}

function call(method: string, uri: string, body?: object, caller = 'local'): EngineCall {
	return { caller, method, ...splitUri(uri), ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }), headers: {} };
}

const create = (HostConfig: object): EngineCall => call('POST', '/containers/create?name=new', { Image: 'team/tool:2', HostConfig });
const command = { Cmd: ['id'] };

const ASKED: readonly (readonly [sentence: string, request: EngineCall, action: PolicyAction, about: object])[] = [
	['a command in a labelled container', call('POST', '/containers/victim/exec', command, 'alice'), 'exec', { container: { commonName: 'victim', organizationalUnit: 'web', organization: 'test', id: VICTIM } }],
	['the start of a prepared command', call('POST', `/exec/${EXEC}/start`, {}), 'exec', { container: { commonName: 'victim', organization: 'test' } }],
	['a privileged command in any container', call('POST', '/containers/plain/exec', { ...command, Privileged: true }), 'reach-host', { container: { name: 'plain', powers: ['privileged'] } }],
	['files of a labelled container', call('GET', '/containers/victim/archive?path=/'), 'copy', { container: { commonName: 'victim', organization: 'test' } }],
	['all files of one', call('GET', '/containers/ccc/export'), 'export', { container: { commonName: 'victim', organization: 'test' } }],
	['an image of one', call('POST', '/commit?container=victim'), 'commit', { container: { commonName: 'victim', organization: 'test' } }],
	['a checkpoint of one', call('POST', '/containers/victim/checkpoints', {}), 'checkpoint', { container: { commonName: 'victim', organization: 'test' } }],
	['a start of one from a checkpoint', call('POST', '/containers/victim/start?checkpoint=x'), 'checkpoint', { container: { commonName: 'victim', organization: 'test' } }],
	['a start of any from files of somebody', call('POST', '/containers/plain/start?checkpoint=x&checkpoint-dir=/tmp'), 'reach-host', { container: { powers: ['restore'] } }],
	['its network', create({ NetworkMode: 'container:victim' }), 'join', { container: { commonName: 'victim', organization: 'test' } }],
	['its processes', create({ PidMode: `container:${VICTIM}` }), 'join', { container: { commonName: 'victim', organization: 'test' } }],
	['its shared memory', create({ IpcMode: 'container:victim' }), 'join', { container: { commonName: 'victim', organization: 'test' } }],
	['its network, for a build', call('POST', '/build?networkmode=container:victim'), 'join', { container: { commonName: 'victim', organization: 'test' } }],
	['its volumes', create({ VolumesFrom: ['victim:ro'] }), 'mount', { container: { commonName: 'victim', organization: 'test' } }],
	['another network for it', call('POST', '/networks/x/connect', { Container: 'victim' }), 'connect', { container: { commonName: 'victim', organization: 'test' } }],
	['powers over the host', create({ Privileged: true, Binds: ['/run/docker.sock:/s'] }), 'reach-host', { container: { name: 'new', image: { repository: 'team/tool', tag: '2' }, powers: ['engine-socket', 'privileged'] } }],
	['a control group for a build', call('POST', '/build?cgroupparent=/x'), 'reach-host', { container: { powers: ['cgroup-parent'] } }],
	['powers of the tasks of a service', call('POST', '/services/create', { Name: 'jobs', TaskTemplate: { ContainerSpec: { Image: 'tool', CapabilityAdd: ['CAP_SYS_ADMIN'], Privileges: { Seccomp: { Mode: 'unconfined' } } } } }), 'reach-host', { container: { service: 'jobs', image: { repository: 'tool' }, powers: ['cap-sys-admin', 'seccomp-other'] } }],
	['a volume of the host', call('POST', '/volumes/create', { Name: 'v', DriverOpts: { type: 'none', o: 'bind', device: '/proc' } }), 'reach-host', { container: { volumes: ['v'], powers: ['host-proc'] } }],
	['the end of this plugin', call('POST', '/plugins/docker.io%2Flibrary%2Fbirthmark/disable'), 'plugin-control', { plugin: { own: true, name: 'birthmark:latest', id: PLUGIN_ID } }],
	['other settings for this plugin', call('POST', '/plugins/feed/set', []), 'plugin-control', { plugin: { own: true } }],
	['other settings for another', call('POST', '/plugins/sshfs/set', []), 'plugin-install', { plugin: { own: false, reference: 'sshfs' } }],
	['another plugin', call('POST', '/plugins/pull?remote=vieux/sshfs&name=x', []), 'plugin-install', { plugin: { reference: 'vieux/sshfs', name: 'x' } }],
	['a service of plugins', call('POST', '/services/create', { TaskTemplate: { PluginSpec: { Name: 'x', Remote: 'vieux/sshfs' } } }), 'plugin-install', { plugin: { reference: 'vieux/sshfs' } }],
	['a build', call('POST', '/build?t=x'), 'build', {}],
	['a session of BuildKit', call('POST', '/session'), 'build', {}],
	['a swarm', call('POST', '/swarm/join', {}), 'swarm', {}],
];

for (const [sentence, request, action, about] of ASKED) {
	test(`the policy is asked about ${sentence}: ${action}`, async (t) => {
		const { deps, judge } = world();
		judge.permitted.clear();
		if (action !== 'build') judge.permitted.add('build');
		t.false((await authorizeRequest(deps, request)).Allow, 'what no rule permits is refused');
		t.like(judge.asked.at(-1), { caller: request.caller, action, subject: about } as object);
		judge.permitted.add(action);
		t.deepEqual(await authorizeRequest(deps, request), { Allow: true });
	});
}

test('what concerns no identity and no power is asked of nobody', async (t) => {
	const { deps, judge } = world();
	for (const request of [
		call('POST', '/containers/plain/exec', command), call('POST', `/exec/${'2'.repeat(64)}/start`, {}), call('POST', `/exec/${'3'.repeat(64)}/start`, {}), call('POST', '/containers/plain/attach?stdin=1'),
		call('GET', '/containers/plain/archive?path=/'), create({ NetworkMode: 'container:plain', IpcMode: 'host', CapAdd: ['NET_ADMIN'], VolumesFrom: ['plain'], Binds: ['/srv:/x', 'data:/y'] }),
		call('POST', '/networks/x/connect', { Container: 'plain' }), call('POST', '/plugins/other/disable'), call('DELETE', '/plugins/other'),
	]) t.deepEqual(await authorizeRequest(deps, request), { Allow: true }, `${request.method} ${request.path}`);
	t.deepEqual(judge.asked, []);
});

test('a container created with nothing beyond its walls costs no question to the engine but the one for its image', async (t) => {
	const { deps, engine } = world();
	await authorizeRequest(deps, create({ Binds: ['/srv:/x'], NetworkMode: 'bridge' }));
	t.is(engine.questions, 0);
});

test('who joins the processes of one that sees the host\'s, sees the host\'s, however long the chain', async (t) => {
	const { deps, engine, judge } = world();
	const joined = (PidMode: string) => ({ Config: { OpenStdin: false }, HostConfig: { PidMode }, Mounts: null });
	engine.details.set('plain', joined('container:b')).set('b', joined('host')).set('loop', joined('container:loop'));
	t.false((await authorizeRequest(deps, create({ PidMode: 'container:plain' }))).Allow);
	t.like(judge.asked[0], { action: 'reach-host', subject: { container: { powers: ['pid-host'] } } } as object);
	t.regex((await authorizeRequest(deps, create({ PidMode: 'container:loop' }))).Msg!, /too many others/);
	engine.details.set('b', joined('container:victim'));
	t.false((await authorizeRequest(deps, create({ PidMode: 'container:plain' }))).Allow);
	t.is(judge.asked.at(-1)!.action, 'join');
});

test('who joins the network or the memory of one that joined a labelled container is judged as if joining that', async (t) => {
	const { deps, engine, judge } = world();
	engine.details.set('plain', { Config: { OpenStdin: false }, HostConfig: { NetworkMode: `container:${VICTIM}`, IpcMode: 'container:victim', PidMode: '' }, Mounts: null });
	for (const mode of ['NetworkMode', 'IpcMode']) {
		judge.asked.length = 0;
		t.false((await authorizeRequest(deps, create({ [mode]: 'container:plain' }))).Allow, mode);
		t.like(judge.asked[0], { action: 'join', subject: { container: { commonName: 'victim', organization: 'test' } } } as object);
	}
	t.true((await authorizeRequest(deps, create({ PidMode: 'container:plain' }))).Allow);
});

test('a name that became the victim\'s while the engine created who joins it: what was created is removed', async (t) => {
	const { deps, engine } = world();
	const created = (Id: string) => ({ ...create({ PidMode: 'container:coming' }), response: { status: 201, body: Buffer.from(JSON.stringify({ Id })) } });
	t.true((await authorizeRequest(deps, create({ PidMode: 'container:coming' }))).Allow, 'there is nobody of this name');
	for (const [id, joined, allowed] of [['8'.repeat(64), VICTIM, false], ['9'.repeat(64), PLAIN, true]] as const) {
		engine.details.set(id, { Config: { OpenStdin: false }, HostConfig: { PidMode: `container:${joined}` }, Mounts: null });
		t.is((await authorizeResponse(deps, created(id))).Allow, allowed, joined);
	}
	t.deepEqual(engine.removedContainers, ['8'.repeat(64)]);
});

test('inherited volumes give the powers of their options', async (t) => {
	const { deps, engine, judge } = world();
	engine.details.set('plain', { Config: { OpenStdin: false }, HostConfig: {}, Mounts: [{ Destination: '/there', Type: 'volume', Name: 'host', Source: '/var/lib/docker/volumes/host/_data' }, { Destination: '/there', Type: 'volume', Name: 'good' }] });
	engine.volumes.set('host', { Driver: 'local', Options: { type: 'none', o: 'bind', device: '/' } }).set('good', { Driver: 'local', Options: null });
	t.false((await authorizeRequest(deps, create({ VolumesFrom: ['plain:ro'] }))).Allow);
	t.like(judge.asked[0], { action: 'reach-host', subject: { container: { powers: ['host-root'] } } } as object);
});

test('a labelled container that is renamed is judged by its new name at once; others are renamed unasked', async (t) => {
	const { deps } = world();
	t.deepEqual(await authorizeRequest(deps, call('POST', `/containers/${PLAIN}/rename?name=fresh`)), { Allow: true });
	t.true((await authorizeRequest(deps, call('GET', '/containers/fresh/archive?path=/'))).Allow);
	t.deepEqual(await authorizeRequest(deps, call('POST', '/containers/victim/rename?name=plain')), { Allow: true });
	t.false((await authorizeRequest(deps, call('GET', '/containers/plain/archive?path=/'))).Allow, 'though another one has it still');
	const form = { ...call('POST', `/containers/${PLAIN}/rename?name=other`), headers: { 'Content-Type': 'text/plain' } };
	t.regex((await authorizeRequest(deps, form)).Msg!, /engine-request-unseen/);
});

test('inherited binds and volumes that exist already give the powers that they have', async (t) => {
	const { deps, engine, judge } = world();
	engine.details.set('plain', { Config: { OpenStdin: false }, HostConfig: { PidMode: '' }, Mounts: [{ Destination: '/there', Type: 'bind', Source: '/proc', RW: false }, { Destination: '/there', Type: 'volume', Source: '/var/lib/docker/volumes/x/_data' }] });
	engine.volumes.set('old', { Driver: 'local', Options: { type: 'none', o: 'bind', device: '/etc/docker' } }).set('good', { Driver: 'local', Options: null });
	t.false((await authorizeRequest(deps, create({ VolumesFrom: ['plain'] }))).Allow);
	t.like(judge.asked[0], { subject: { container: { powers: ['host-proc'] } } } as object);
	t.false((await authorizeRequest(deps, create({ Binds: ['old:/x', 'good:/y', 'new:/z'] }))).Allow);
	t.like(judge.asked[1], { subject: { container: { powers: ['engine-config'] } } } as object);
	t.true((await authorizeRequest(deps, create({ Binds: ['good:/y', 'new:/z'] }))).Allow);
});

test('whoever made a container may attach to it until it starts; to the input of a running one nobody may unasked', async (t) => {
	const { deps, engine, judge } = world();
	const withInput = { Config: { OpenStdin: true }, HostConfig: { PidMode: '' }, Mounts: null };
	const attach = (caller: string) => call('POST', '/containers/fresh/attach?stream=1&stdin=1', undefined, caller);
	const fresh = engineContainer({ Id: '7'.repeat(64), Names: ['/fresh'], State: 'created' });
	engine.list.push(fresh);
	engine.details.set(fresh.Id, withInput);
	await authorizeResponse(deps, { ...call('POST', '/containers/create', { Image: 'x' }, 'alice'), response: { status: 201, body: Buffer.from(`{"Id":"${fresh.Id}"}`) } });
	t.true((await authorizeRequest(deps, attach('alice'))).Allow);
	t.false((await authorizeRequest(deps, attach('bob'))).Allow);
	engine.list[engine.list.indexOf(fresh)] = { ...fresh, State: 'running' };
	t.false((await authorizeRequest(deps, attach('alice'))).Allow);
	t.false((await authorizeRequest(deps, call('GET', '/containers/fresh/attach/ws'))).Allow);
	engine.details.set(fresh.Id, { ...withInput, Config: { OpenStdin: false } });
	t.true((await authorizeRequest(deps, attach('bob'))).Allow, 'without an input there is only what logs show as well');
	t.deepEqual([...new Set(judge.asked.map(({ action }) => action))], ['attach']);
});

test('the engine is not asked about a container that its maker attaches to, until somebody asks for a start', async (t) => {
	const { deps, engine } = world();
	const id = '7'.repeat(64);
	engine.list.push(engineContainer({ Id: id, Names: ['/fresh'], State: 'created' }));
	const made = { ...call('POST', '/containers/create', { Image: 'x' }, 'alice'), response: { status: 201, body: Buffer.from(`{"Id":"${id}"}`) } };
	const questions = async (caller = 'alice'): Promise<number> => {
		const before = engine.questions;
		await authorizeRequest(deps, call('POST', `/containers/${id}/attach?stream=1`, undefined, caller));
		return engine.questions - before;
	};
	for (const asked of [call('POST', `/containers/${id}/start`), call('POST', '/containers/fresh/start'), call('POST', `/containers/${id}/restart`), 'a reload'] as const) {
		await authorizeResponse(deps, made);
		t.is(await questions(), 0);
		t.is(await questions('bob'), 1);
		await (asked === 'a reload' ? deps.makers.forgetUnstarted() : authorizeRequest(deps, asked));
		t.is(await questions(), 1);
	}
});

test('an exec whose body the engine did not show is refused, and so is one that cannot be read in one way', async (t) => {
	const { deps } = world();
	t.regex((await authorizeRequest(deps, call('POST', '/containers/plain/exec'))).Msg!, /\[engine-request-unseen\]/);
	const twice = { ...call('POST', '/containers/plain/exec'), body: Buffer.from('{"Privileged":true,"privileged":false}') };
	t.regex((await authorizeRequest(deps, twice)).Msg!, /\[engine-request-ambiguous\]/);
});

test('labels of the engine\'s own tasks are refused to a container that asks for an identity', async (t) => {
	const { deps } = world();
	const Labels = { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api', 'com.docker.swarm.service.id': 'x' };
	t.regex((await authorizeRequest(deps, call('POST', '/containers/create', { Image: 'x', Labels }))).Msg!, /com\.docker\.swarm\.service\.id.*\[label-illegal\]/);
	t.true((await authorizeRequest(deps, call('POST', '/containers/create', { Image: 'x', Labels: { 'com.docker.swarm.service.id': 'x' } }))).Allow, 'others may call themselves what they like');
});

test('what one call names, and the engine would have to be asked about, is bounded; each is asked about once', async (t) => {
	const { deps, engine } = world();
	const many = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, index) => prefix + index);
	for (const [what, request] of [
		['containers by --volumes-from', create({ VolumesFrom: many(251, 'x') })],
		['volumes', create({ Binds: many(251, 'v').map((name) => `${name}:/${name}`) })],
		['volumes', call('POST', '/services/create', { TaskTemplate: { ContainerSpec: { Image: 'x', Mounts: many(251, 'v').map((Source) => ({ Type: 'volume', Source, Target: '/x' })) } } })],
		['paths of the host', create({ Binds: many(1001, '/srv/').map((path) => `${path}:${path}`) })],
		['containers by networkmode', call('POST', `/build?${many(251, 'networkmode=container:x').join('&')}`)],
	] as const) {
		engine.questions = 0;
		const { Allow, Msg } = await authorizeRequest(deps, request);
		t.false(Allow, what);
		t.regex(Msg!, new RegExp(`more than \\d+ ${what},.*\\[request-too-large\\]`));
		t.true(engine.questions < 5, `${engine.questions} questions`);
	}
	engine.questions = 0;
	const again = <T>(one: T): T[] => Array.from({ length: 5000 }, () => one);
	t.true((await authorizeRequest(deps, create({ VolumesFrom: again('plain'), Binds: again('data:/y') }))).Allow);
	t.true(engine.questions < 10, `${engine.questions} questions`);
	t.true((await authorizeRequest(deps, create({ Binds: many(1000, '/srv/').map((path) => `${path}:${path}`), Tmpfs: Object.fromEntries(many(5000, '/t').map((path) => [path, ''])) }))).Allow);
});
