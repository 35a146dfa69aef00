/** Services are judged when they are made, their tasks are compared with what was decided. */

import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseStrictJson } from '#common/protocol/strict-json.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { structFields } from '../../../../plugin/authz/go-struct.ts';
import { openRecords } from '../../../../plugin/records.ts';
import type { ServiceSpec } from '../../../../plugin/records-services.ts';
import { judgeService } from '../../../../plugin/swarm/service-birth.ts';
import { bindTask } from '../../../../plugin/swarm/task-birth.ts';
import { createContainersOf } from '../../../../plugin/volume/who-starts.ts';
import { createImageUsers } from '../../../../plugin/users/image-users.ts';
import type { Owner } from '../../../../plugin/users/user-lookup.ts';
import { FakeJudge } from '../../../fakes/judge.ts';
import { FakePluginCa } from '../../../fakes/plugin-ca.ts';
import { engineContainer, FakeEngine, runtimesOf } from '../../../fakes/plugin-engine.ts';

const VOLUME = 'a'.repeat(64);
const CONTAINER = 'c'.repeat(64);
const IMAGE_ID = 'sha256:' + '1'.repeat(64);
const OTHER_IMAGE = 'sha256:' + '2'.repeat(64);
const SELF = { name: 'birthmark:latest', protectedPaths: [], dataRoot: '/var/lib/docker', runPaths: [] };
const CALL = { caller: 'alice' };

const named = { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api', other: 'x' };
const mount = { Type: 'volume', Target: '/run/birthmark', VolumeOptions: { DriverConfig: { Name: 'birthmark' } } };
const container = { Image: 'app:1', Labels: named, Mounts: [mount] };
const service = (change: object = {}, more: object = {}) => ({ Name: 'api', TaskTemplate: { ContainerSpec: { ...container, ...change } }, ...more });

const HOLDER = { volume: VOLUME, delivery: 'volume' } as const;

function world(t: ExecutionContext) {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	const records = openRecords(`${directory.name}/records.db`);
	t.teardown(() => {
		records.close();
		directory.removeCallback();
	});
	const engine = new FakeEngine();
	engine.images.set('app:1', { Id: IMAGE_ID, Config: { User: 'www-data' } });
	const [ca, policy] = [new FakePluginCa(), new FakeJudge()];
	let ends = 0;
	const deps = {
		self: async () => SELF, engine, runtimes: runtimesOf(engine), containersOf: createContainersOf(engine), ca, policy, records, environment: () => 'test', patienceMs: 0, logger: silentLogger, onEnded: () => void ends++,
		onHost: async (owner: Owner) => owner,
		ownerOf: createImageUsers({ read: async () => ['www-data:x:33:34', ''] }),
	};
	const judge = (body: object) => judgeService(deps, structFields(parseStrictJson(Buffer.from(JSON.stringify(body))), 'the request'), CALL);
	const bind = () => bindTask(deps, HOLDER);
	/** As the engine has it when the volume is mounted. */
	const task = (labels: Record<string, string> = named, ImageID = IMAGE_ID): void => {
		engine.list.splice(0, 1, engineContainer({
			Id: CONTAINER, Names: ['/api.1.task1'], State: 'created', ImageID,
			Labels: { ...labels, 'com.docker.swarm.service.id': 'service1', 'com.docker.swarm.service.name': 'api', 'com.docker.swarm.task.id': 'task1' },
			Mounts: [{ Type: 'volume', Name: VOLUME, Driver: 'birthmark:latest', Destination: '/run/birthmark' }],
		}));
		engine.tasks.set('task1', { ServiceID: 'service1', DesiredState: 'running' });
	};
	return { deps, engine, ca, policy, records, judge, bind, task, ends: () => ends };
}

test('a service is judged like a container of its specification', async (t) => {
	const { judge, ca, policy } = world(t);
	const spec = await judge(service({ CapabilityAdd: ['CAP_NET_RAW'] }, { TaskTemplate: { ContainerSpec: container, Networks: [{ Target: 'net1' }] } }));
	t.like(spec, { caller: 'alice', labels: [['birthmark.cn', 'api01'], ['birthmark.ou', 'web-api']], image: 'app:1', imageId: IMAGE_ID, uid: 33, gid: 34, mode: 0o700, caWay: 'relay' });
	t.deepEqual(ca.authorized, [{ commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [], image: 'app:1', imageId: IMAGE_ID, containerName: 'api', dryRun: true }]);
	t.is(policy.asked[0]!.caller, 'alice');
	t.like(policy.asked[0]!.subject.container, { commonName: 'api01', organization: 'test', service: 'api', user: 'www-data', networks: ['default', 'net1'] });
});

test('a service that asks for nothing of ours is not judged', async (t) => {
	const { judge, ca, policy } = world(t);
	t.is(await judge({ Name: 'x', TaskTemplate: { ContainerSpec: { Image: 'absent', Mounts: [{ Type: 'volume', Source: 'data', Target: '/x' }] } } }), undefined);
	t.is(await judge({}), undefined);
	t.is(ca.authorized.length + policy.asked.length, 0);
});

test('labels of the image count for a service as well', async (t) => {
	const { judge, engine } = world(t);
	engine.images.set('app:1', { Id: IMAGE_ID, Config: { Labels: named } });
	t.like(await judge(service({ Labels: { 'birthmark.dns': 'api' } })), { names: { commonName: 'api01', dnsNames: ['api'] } });
});

const REFUSED = [
	['without its image', service({ Image: 'absent' }), 'not-found', /docker pull/],
	['without a name', service({ Labels: {} }), 'label-missing', /--container-label/],
	['whose label is almost one', { TaskTemplate: { ContainerSpec: { Image: 'app:1', Labels: { 'Birthmark.cn': 'x' } } } }, 'label-unknown', /did you mean birthmark\.cn\?/],
	['with such a label of its own', { TaskTemplate: { ContainerSpec: { Image: 'app:1' } }, Labels: { 'Birthmark.cn': 'x' } }, 'label-unknown', /did you mean birthmark\.cn\?/],
	['with labels of its own', service({}, { Labels: { 'birthmark.cn': 'x' } }), 'label-illegal', /--container-label instead of --label/],
	['without the volume', service({ Mounts: [] }), 'mount-missing', undefined],
	['with a volume that has a name', service({ Mounts: [{ ...mount, Source: 'shared' }] }), 'mount-illegal', /of its own/],
	['with a volume for each slot', service({ Mounts: [{ ...mount, Source: 'v{{.Task.Slot}}' }] }), 'mount-illegal', /of its own/],
	['with two of them', service({ Mounts: [mount, { ...mount, Target: '/x' }] }), 'mount-illegal', /once/],
	['with the volume elsewhere', service({ Mounts: [{ ...mount, Target: '/x' }] }), 'mount-illegal', /not at "\/x"/],
	['with options', service({ Mounts: [{ ...mount, VolumeOptions: { DriverConfig: { Name: 'birthmark', Options: { a: 'b' } } } }] }), 'mount-illegal', /options/],
	['with a part of the volume', service({ Mounts: [{ ...mount, VolumeOptions: { ...mount.VolumeOptions, Subpath: 'bin' } }] }), 'mount-illegal', /whole/],
	['with something below', service({ Mounts: [mount, { Type: 'tmpfs', Target: '/run/birthmark/bin' }] }), 'mount-illegal', /nothing else/],
	['with something where a template says', service({ Mounts: [mount, { Type: 'tmpfs', Target: '/run/{{.Service.Name}}' }] }), 'mount-illegal', /template/],
	['with a config in it', service({ Configs: [{ File: { Name: '/run/birthmark/ca.crt' } }] }), 'mount-illegal', /ca\.crt/],
	['with a secret in it', service({ Secrets: [{ File: { Name: '../birthmark/token' } }] }), 'mount-illegal', /token/],
	['that may mount', service({ CapabilityAdd: ['cap_sys_admin'] }), 'container-too-powerful', /SYS_ADMIN/],
	['of a user that the image does not know', service({ User: 'mail' }), 'label-missing', /passwd/],
] as const;
for (const [what, body, code, message] of REFUSED) {
	test(`a service ${what} is refused`, async (t) => {
		const { judge, ca } = world(t);
		await t.throwsAsync(judge(body), { code, ...(message && { message }) });
		t.is(ca.authorized.length, 0);
	});
}

test('what policy and CA say of a service is what its user reads', async (t) => {
	const { judge, ca, policy } = world(t);
	ca.failure = new BirthmarkError('name-not-allowed');
	await t.throwsAsync(judge(service()), { code: 'name-not-allowed' });
	policy.permitted.delete('run');
	await t.throwsAsync(judge(service()), { code: 'policy-refused' });
});

test('a task of a service that was judged is authorized under its own id, by the word of who made the service', async (t) => {
	const { judge, task, bind, records, ca, policy } = world(t);
	records.services.add('service1', (await judge(service()))!);
	task();
	t.true(await bind());
	t.deepEqual(ca.authorized[1], { commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [], image: 'app:1', imageId: IMAGE_ID, containerId: CONTAINER, containerName: 'api.1.task1' });
	t.like(records.identity(VOLUME), { containerId: CONTAINER, taskId: 'task1', uid: 33, gid: 34, imageId: IMAGE_ID, containerName: 'api.1.task1' });
	t.like(policy.asked[1], { caller: 'alice', action: 'run' });
	t.like(policy.asked[1]!.subject.container, { service: 'api', id: CONTAINER });
});

test('a volume that is no task\'s is left alone', async (t) => {
	const { engine, bind, task, records } = world(t);
	t.false(await bind());
	task();
	engine.list.push(engineContainer({ Id: 'd'.repeat(64) }));
	t.false(await bind(), 'two containers have it');
	engine.list.splice(0, 2, engineContainer({ Id: CONTAINER }));
	t.false(await bind(), 'no labels of a task');
	t.is(records.identities().length, 0);
});

const BROKEN: ReadonlyArray<readonly [what: string, change: (it: ReturnType<typeof world>) => void, code: string, message?: RegExp]> = [
	['that the engine does not know', ({ engine }) => engine.tasks.clear(), 'identity-isolated', /cannot be set by hand/],
	['of another service', ({ engine }) => engine.tasks.set('task1', { ServiceID: 'service2', DesiredState: 'running' }), 'identity-isolated'],
	['that is over', ({ engine }) => engine.tasks.set('task1', { ServiceID: 'service1', DesiredState: 'shutdown' }), 'identity-isolated'],
	['whose container is another', ({ engine }) => engine.tasks.set('task1', { ServiceID: 'service1', DesiredState: 'running', Status: { ContainerStatus: { ContainerID: 'e'.repeat(64) } } }), 'identity-isolated'],
	['with other labels than its service', ({ task }) => task({ ...named, 'birthmark.cn': 'api02' }), 'volume-unknown', /other labels.*docker service update --force api/],
	['with another image than its service', ({ task }) => task(named, OTHER_IMAGE), 'image-changed', /docker service update --force api/],
	['of a service that was made elsewhere', ({ records }) => records.services.remove('service1'), 'volume-unknown', /nobody asked this node/],
	['with the volume at another place', ({ engine }) => void engine.list.splice(0, 1, { ...engine.list[0]!, Mounts: [{ ...engine.list[0]!.Mounts![0]!, Destination: '/x' }] }), 'mount-illegal'],
	['whose image has a volume in it', ({ engine }) => void engine.list.splice(0, 1, { ...engine.list[0]!, Mounts: [...engine.list[0]!.Mounts!, { Type: 'volume', Name: 'x', Driver: 'local', Destination: '/run/birthmark/keys' }] }), 'mount-illegal'],
	['that policy no longer permits', ({ policy }) => void policy.permitted.delete('run'), 'policy-refused'],
	['that the CA no longer allows', ({ ca }) => void (ca.failure = new BirthmarkError('name-not-allowed')), 'name-not-allowed'],
];
for (const [what, change, code, message] of BROKEN) {
	test(`a task ${what} gets no identity`, async (t) => {
		const it = world(t);
		it.records.services.add('service1', (await it.judge(service()))!);
		it.task();
		change(it);
		await t.throwsAsync(it.bind(), { code, ...(message && { message }) });
		t.is(it.records.identity(VOLUME), undefined);
	});
}

const auto = { 'birthmark.cn': 'auto', 'birthmark.dns': 'shop' };
const autoService = (Mode: object | undefined, Name = 'shop_api') => ({ Name, Mode, TaskTemplate: { ContainerSpec: { ...container, Labels: auto } } });
const judgedNames = ({ ca }: ReturnType<typeof world>): string[] => ca.authorized.map(({ commonName, organizationalUnit }) => `${commonName}/${organizationalUnit}`);

for (const [what, mode, names] of [
	['of three replicas', { Replicated: { Replicas: 3 } }, ['shop-api-1', 'shop-api-2', 'shop-api-3']],
	['of none for now', { Replicated: { Replicas: 0 } }, ['shop-api-1']],
	['that says nothing', undefined, ['shop-api-1']],
	['on each node', { Global: {} }, ['shop-api-node1']],
] as const) {
	test(`a service with birthmark.cn=auto, ${what}, is judged for the names of its tasks`, async (t) => {
		const it = world(t);
		it.engine.node = 'node1';
		await it.judge(autoService(mode));
		t.deepEqual(judgedNames(it), names.map((name) => `${name}/shop_api`));
		t.deepEqual(it.policy.asked.map(({ subject }) => subject.container!.commonName), [...names]);
	});
}

test('of a large service the first names are judged, and the last', async (t) => {
	const it = world(t);
	await it.judge(autoService({ Replicated: { Replicas: 5000 } }));
	t.is(it.ca.authorized.length, 64);
	t.like(it.ca.authorized.at(-2), { commonName: 'shop-api-63' });
	t.like(it.ca.authorized.at(-1), { commonName: 'shop-api-5000' });
});

for (const [what, body, code, message] of [
	['without a name of its own', autoService({ Replicated: { Replicas: 1 } }, ''), 'label-missing', /name of the service.*--name/],
	['that is a job', autoService({ ReplicatedJob: {} }), 'label-illegal', /not for jobs/],
	['whose name can be in no certificate', autoService(undefined, 'API'), 'name-illegal', /birthmark\.cn=auto.*"API-1"/],
	['on each node of a swarm that is none', autoService({ Global: {} }), 'engine-unavailable', /does not tell its id/],
] as const) {
	test(`a service with birthmark.cn=auto ${what} is refused`, async (t) => {
		const { judge, ca } = world(t);
		await t.throwsAsync(judge(body), { code, message });
		t.is(ca.authorized.length, 0);
	});
}

for (const [what, given, name] of [['by its slot', { Slot: 2, NodeID: 'node1' }, 'shop-api-2'], ['of a global service by its node', { Slot: 0, NodeID: 'node1' }, 'shop-api-node1']] as const) {
	test(`a task has a name of its own ${what}, decided by policy and CA for itself`, async (t) => {
		const it = world(t);
		it.records.services.add('service1', (await it.judge(autoService({ Replicated: { Replicas: 3 } })))!);
		it.engine.services.push({ ID: 'service1', name: 'shop_api' });
		it.task(auto);
		it.engine.tasks.set('task1', { ServiceID: 'service1', DesiredState: 'running', ...given });
		t.true(await it.bind());
		t.like(it.ca.authorized.at(-1), { commonName: name, organizationalUnit: 'shop_api', dnsNames: ['shop'], containerId: CONTAINER });
		t.like(it.policy.asked.at(-1)!.subject.container, { commonName: name, service: 'shop_api' });
		t.like(it.records.identity(VOLUME), { commonName: name, organizationalUnit: 'shop_api', taskId: 'task1' });
	});
}

for (const [what, change] of [
	['whose service is called otherwise than it was judged', ({ engine }) => void engine.services.push({ ID: 'service1', name: 'shop-admin' })],
	['of a service that the engine does not know', () => {}],
] as const satisfies ReadonlyArray<readonly [string, (it: ReturnType<typeof world>) => void]>) {
	test(`a task ${what} has no name of its own, and no identity`, async (t) => {
		const it = world(t);
		it.records.services.add('service1', (await it.judge(autoService(undefined)))!);
		it.task(auto);
		it.engine.tasks.set('task1', { ServiceID: 'service1', DesiredState: 'running', Slot: 1 });
		change(it);
		await t.throwsAsync(it.bind(), { code: 'volume-unknown' });
		t.is(it.records.identity(VOLUME), undefined);
	});
}

test('one task has one container', async (t) => {
	const { judge, task, bind, records, engine } = world(t);
	records.services.add('service1', (await judge(service()))!);
	task();
	await bind();
	const [first] = engine.list;
	engine.list.splice(0, 1, { ...first!, Id: 'e'.repeat(64) });
	await t.throwsAsync(bind(), { code: 'identity-isolated' });
});

test('a task that is ahead of the record of its service waits for it', async (t) => {
	const { deps, judge, task, records } = world(t);
	const spec = (await judge(service()))!;
	task();
	const bound = bindTask({ ...deps, patienceMs: 60_000 }, HOLDER);
	setImmediate(() => records.services.add('service1', spec));
	t.true(await bound);
});

test('an authorization whose answer was lost is ended', async (t) => {
	const it = world(t);
	it.records.services.add('service1', (await it.judge(service()))!);
	it.task();
	it.ca.failure = new BirthmarkError('ca-unavailable');
	await t.throwsAsync(it.bind(), { code: 'ca-unavailable' });
	t.like(it.records.nextInOutbox(), { abandoned: { containerId: CONTAINER } });
	t.is(it.ends(), 1);
});

test('of a service the last eight specifications are kept, the same one once', async (t) => {
	const { judge, records } = world(t);
	const spec = (await judge(service()))!;
	const numbered = (uid: number): ServiceSpec => ({ ...spec, uid });
	for (let uid = 1; uid <= 10; uid++) records.services.add('service1', numbered(uid));
	records.services.add('service1', numbered(5));
	records.services.add('service2', spec);
	t.deepEqual(records.services.specs('service1').map(({ uid }) => uid), [5, 10, 9, 8, 7, 6, 4, 3]);
	t.deepEqual(records.services.ids().sort(), ['service1', 'service2']);
	records.services.remove('service1');
	t.deepEqual(records.services.specs('service1'), []);
	t.deepEqual(records.services.specs('service2'), [spec]);
});

const BY_RUNTIME = { volume: CONTAINER, delivery: 'runtime' } as const;
const RUNTIMES = { runc: { path: 'runc' }, birthmark: { path: '/opt/birthmark-runtime' } };

test('where the default runtime hands identities over, a service needs labels only', async (t) => {
	const { deps, engine, records, judge, task } = world(t);
	engine.runtimes = { Runtimes: RUNTIMES, DefaultRuntime: 'birthmark' };
	records.services.add('service1', (await judge(service({ Mounts: [] })))!);
	task();
	engine.list[0] = { ...engine.list[0]!, Mounts: [] };
	t.true(await bindTask(deps, BY_RUNTIME));
	t.like(records.identityOfContainer(CONTAINER), { volume: CONTAINER, delivery: 'runtime', agentMode: 'exec', taskId: 'task1' });
});

test('where it does not, the service is refused with what to do', async (t) => {
	const { engine, judge } = world(t);
	await t.throwsAsync(judge(service({ Mounts: [] })), { code: 'mount-missing', message: /engine setup --default/ });
	engine.runtimes = { Runtimes: RUNTIMES, DefaultRuntime: 'runc' };
	await t.throwsAsync(judge(service({ Mounts: [] })), { code: 'mount-missing', message: /the engine's default runtime/ });
	await t.throwsAsync(judge(service({ Labels: { ...named, 'birthmark.agent': 'exec' } })), { code: 'label-illegal' });
});

test('nothing else lies where a task gets its identity from the runtime', async (t) => {
	const { deps, engine, records, judge, task } = world(t);
	engine.runtimes = { Runtimes: RUNTIMES, DefaultRuntime: 'birthmark' };
	for (const more of [{ Target: '/run/birthmark/x' }, { Target: '/{{.Node.ID}}' }, { Target: '/x', Type: 'bind', Source: '/srv', BindOptions: { Propagation: 'rshared' } }]) {
		await t.throwsAsync(judge(service({ Mounts: [{ Type: 'tmpfs', ...more }] })), { code: 'mount-illegal' });
	}
	records.services.add('service1', (await judge(service({ Mounts: [] })))!);
	task();
	await t.throwsAsync(bindTask(deps, BY_RUNTIME), { code: 'mount-illegal' });
});
