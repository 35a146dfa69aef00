/** Every rule as a table: the request as the engine would show it, and what its user reads. */

import test, { type ExecutionContext } from 'ava';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { authorizeRequest, authorizeResponse } from '../../../../plugin/authz/authorizer.ts';
import type { EngineCall } from '../../../../plugin/authz/engine-call.ts';
import { splitUri } from '../../../../plugin/authz/engine-call.ts';
import { createMakers } from '../../../../plugin/authz/attach.ts';
import { createRemembered } from '../../../../plugin/authz/remembered.ts';
import { createContainerLookup } from '../../../../plugin/authz/container-lookup.ts';
import { createHostZones } from '../../../../plugin/authz/host-zones.ts';
import { createOwnCalls } from '../../../../plugin/authz/own-calls.ts';
import type { AuthorizerDeps } from '../../../../plugin/authz/rule.ts';
import type { IdentityRecord } from '../../../../plugin/records.ts';
import type { ServiceSpec } from '../../../../plugin/records-services.ts';
import { LOOKUP_LABEL } from '../../../../plugin/users/image-files.ts';
import { createImageUsers } from '../../../../plugin/users/image-users.ts';
import { plainOwner, type Owner } from '../../../../plugin/users/user-lookup.ts';
import { identityRecord } from '../../../fakes/identity-record.ts';
import { FakeJudge } from '../../../fakes/judge.ts';
import { engineContainer, FakeEngine, runtimesOf } from '../../../fakes/plugin-engine.ts';
import { FakePluginCa } from '../../../fakes/plugin-ca.ts';

const VICTIM = 'c'.repeat(64);
const VICTIM_VOLUME = 'a'.repeat(64);
const UNUSED_VOLUME = 'project_identity';
const VICTIM_IDENTITY = identityRecord({ volume: VICTIM_VOLUME, containerId: VICTIM, authorizationId: 'auth-0', commonName: 'victim01' });
const NEW = 'd'.repeat(64);
const NEW_VOLUME = 'b'.repeat(64);
const PLUGIN_ID = 'feed' + '0'.repeat(60);
const IMAGE_ID = 'sha256:' + '1'.repeat(64);

const named = { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api' };
const identityMount = { Type: 'volume', Target: '/run/birthmark', VolumeOptions: { DriverConfig: { Name: 'birthmark' } } };
const labelled = { Image: 'app:1', Labels: named, HostConfig: { Mounts: [identityMount] } };

function world(mapped = 0) {
	const engine = new FakeEngine();
	engine.list.push(engineContainer({ Id: VICTIM }));
	engine.images.set('app:1', { Id: IMAGE_ID, Config: { User: '1000:1001' } });
	engine.images.set(IMAGE_ID, { Id: IMAGE_ID, Config: { User: '1000:1001' } });
	engine.images.set('named-user', { Id: IMAGE_ID, Config: { User: 'nobody' } });
	const ca = new FakePluginCa();
	const policy = new FakeJudge();
	const ownCalls = createOwnCalls();
	const identities: IdentityRecord[] = [];
	const services: [string, ServiceSpec][] = [];
	const proofs: string[] = [];
	const forgotten: string[] = [];
	const startsAsked: string[] = [];
	const births: string[] = [];
	const abandoned: string[] = [];
	let ends = 0;
	let removals = 0;
	const self = async () => ({ id: PLUGIN_ID, name: 'birthmark:latest', protectedPaths: ['/var/lib/docker/plugins', '/run/birthmark'], dataRoot: '/var/lib/docker', runPaths: ['/run/docker.sock'] });
	const deps: AuthorizerDeps = {
		self,
		engine,
		ca,
		records: {
			hasVolume: (name) => [VICTIM_VOLUME, UNUSED_VOLUME].includes(name),
			identitiesOf: (name) => (name === VICTIM_VOLUME ? [VICTIM_IDENTITY] : []),
			identityOfContainer: (id) => [VICTIM_IDENTITY, ...identities].find(({ containerId }) => containerId === id),
			beginBirth: ({ containerId }) => void births.push(containerId),
			abandonBirth: (containerId) => void abandoned.push(containerId),
			services: { add: (id, spec) => void services.push([id, spec]) },
			addIdentity: (record) => void identities.push(record),
		},
		forgetContainer: async (volume) => void forgotten.push(volume),
		onEnded: () => void ends++,
		onHost: async (owner) => ({ uid: owner.uid + mapped, gid: owner.gid + mapped }),
		ownerOf: createImageUsers({ read: async () => ['www-data:x:33:34', ''] }),
		ownCalls,
		isPermitted: async ({ headers }) => headers['X-Birthmark-Permit'] === 'good',
		policy,
		environment: () => 'test',
		lookup: createContainerLookup({ engine }),
		hostZones: createHostZones({ self, hostRoot: '/nonexistent', policyPath: '/etc/birthmark/policy.cedar', runtimePaths: async () => [] }),
		ourPlugins: async () => [await self()],
		makers: createMakers(), imagesForRuntime: createRemembered(), withOurRuntime: createRemembered(), runtimes: runtimesOf(engine),
		onProof: (nonce) => proofs.push(nonce) === 1,
		onStartAsked: (reference) => void startsAsked.push(reference),
		onContainersRemoved: () => void removals++,
		logger: silentLogger,
	};
	return { deps, engine, policy, ca, ownCalls, identities, services, proofs, forgotten, startsAsked, births, abandoned, ends: () => ends, removals: () => removals };
}

function call(method: string, uri: string, body?: object | string, more: Partial<EngineCall> = {}): EngineCall {
	const text = typeof body === 'object' ? JSON.stringify(body) : body;
	return { caller: 'local', method, ...splitUri(uri), ...(text !== undefined && { body: Buffer.from(text) }), headers: {}, ...more };
}

async function refused(t: ExecutionContext, deps: AuthorizerDeps, request: EngineCall, code: ErrorCode, sentence?: RegExp): Promise<void> {
	const verdict = await authorizeRequest(deps, request);
	t.false(verdict.Allow);
	t.regex(verdict.Msg!, new RegExp(`^birthmark: .*\\[${code}\\]$`));
	if (sentence) t.regex(verdict.Msg!, sentence);
}

const create = (body: object | string, uri = '/v1.41/containers/create') => call('POST', uri, body);
const host = (hostConfig: object) => create({ Image: 'app:1', HostConfig: hostConfig });
const labelledWith = (change: object, hostConfig: object = {}) => create({ ...labelled, ...change, HostConfig: { Mounts: [identityMount], ...hostConfig } });
const localVolume = (options: object) => host({ Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Name: 'local', Options: options } } }] });

const REFUSED: readonly (readonly [sentence: string, request: EngineCall, code: ErrorCode, says?: RegExp])[] = [
	// how a request is written
	['a create whose body the engine did not show', call('POST', '/containers/create'), 'engine-request-unseen'],
	['a create by an encoded path', call('POST', '/containers/%63reate'), 'engine-request-unseen'],
	['a create with an encoded slash', call('POST', '/containers%2Fcreate'), 'engine-request-unseen'],
	['a create by an absolute address', call('POST', 'http://docker/v1.41/containers/create'), 'engine-request-unseen'],
	['a create under an oddly spelt version', call('POST', '/%761.044.0/containers/create'), 'engine-request-unseen'],
	['a create with HostConfig twice', create('{"HostConfig":{"Privileged":true},"HostConfig":{}}'), 'engine-request-ambiguous'],
	['a create with labels in two spellings', create('{"Labels":{"birthmark.cn":"a"},"LABELS":null}'), 'engine-request-ambiguous'],
	['a create with a key that folds to ASCII', create('{"Labelſ":{"birthmark.cn":"a"}}'), 'engine-request-ambiguous'],
	['a create with binds outside HostConfig', create({ Binds: ['/run/birthmark:/x'] }), 'engine-request-ambiguous', /HostConfig/],
	['a create with annotations outside HostConfig', create({ Annotations: { 'org.criu.config': '/x' } }), 'engine-request-ambiguous'],
	['a create with a volume driver outside HostConfig', create({ VolumeDriver: 'birthmark' }), 'engine-request-ambiguous'],
	['a create with JSON after its JSON', create('{}{"Labels":{}}'), 'engine-request-ambiguous'],
	['a create in an old version of the API', create(labelled, '/v1.23/containers/create'), 'identity-isolated', /1\.24/],
	['a start in an old version of the API', call('POST', '/v1.23/containers/x/start'), 'identity-isolated'],
	['a start with a body', call('POST', '/v1.41/containers/x/start', { Binds: ['/:/x'] }), 'engine-request-ambiguous'],
	['a copy in an old version of the API', call('POST', '/v1.23/containers/x/copy', {}), 'identity-isolated'],
	// reaching the volume of another
	['a bind of an identity volume', host({ Binds: [`${VICTIM_VOLUME}:/x`] }), 'identity-isolated'],
	['a mount of an identity volume', host({ Mounts: [{ Type: 'volume', Source: VICTIM_VOLUME, Target: '/x' }] }), 'identity-isolated'],
	['a mount of an identity volume in other letters', create(`{"hostconfig":{"MOUNTS":[{"type":"volume","source":"${VICTIM_VOLUME}","target":"/x"}]}}`), 'identity-isolated'],
	['volumes from a labelled container by name', host({ VolumesFrom: ['victim:ro'] }), 'identity-isolated', /--volumes-from/],
	['volumes from a labelled container by a short id', host({ VolumesFrom: [VICTIM.slice(0, 4)] }), 'identity-isolated'],
	['a bind of the directory with the identities', host({ Binds: ['/run/birthmark/x:/x'] }), 'identity-isolated'],
	['a bind of a directory above it', host({ Binds: ['/var/lib/docker:/x:ro'] }), 'identity-isolated'],
	['a bind of the root', host({ Binds: ['/:/x'] }), 'identity-isolated'],
	['a bind by a roundabout way', host({ Mounts: [{ Type: 'bind', Source: '/etc/../run//birthmark/', Target: '/x' }] }), 'identity-isolated'],
	['a local volume that binds it', localVolume({ type: 'none', o: 'bind', device: '/run/birthmark' }), 'identity-isolated'],
	['a local volume that lays it under an overlay', localVolume({ type: 'overlay', o: 'lowerdir=/etc:/run/birthmark,upperdir=/a,workdir=/b' }), 'identity-isolated'],
	['a local volume of an overlay that hides the path by backslashes', localVolume({ type: 'overlay', device: 'overlay', o: 'lowerdir=/etc:/run/birthm\\ark/x' }), 'identity-isolated', /backslash/],
	['a local volume of an overlay that hides a separator', localVolume({ type: 'overlay', device: 'overlay', o: 'lowerdir=/etc\\,/run' }), 'identity-isolated'],
	['a local volume that binds a path with a comma, which a link may have', localVolume({ type: 'none', o: 'bind', device: '/srv/a,b/../../run/birthmark' }), 'identity-isolated'],
	['a local volume that binds a relative path', localVolume({ type: 'none', o: 'rbind,ro', device: 'run/birthmark' }), 'identity-isolated', /from the root/],
	['a local volume that binds a relative path, whatever its type', localVolume({ type: 'nfs', o: 'bind', device: './run/birthmark' }), 'identity-isolated'],
	['a local volume of an overlay over a relative path', localVolume({ type: 'overlay', device: 'overlay', o: 'lowerdir=/etc:run/birthmark' }), 'identity-isolated'],
	['a local volume like that by itself', call('POST', '/volumes/create', { Name: 'x', DriverOpts: { o: 'bind', device: '/var/lib/docker/plugins' } }), 'identity-isolated'],
	['a local volume of the host\'s processes', localVolume({ type: 'proc', device: 'proc' }), 'identity-isolated', /filesystem:proc/],
	['a local volume of a disk of the host', call('POST', '/volumes/create', { Driver: 'local', DriverOpts: { type: 'ext4', device: '/dev/sda1' } }), 'identity-isolated'],
	['a bind through the directory of a process', host({ Binds: ['/proc/self/cwd/birthmark:/x'] }), 'identity-isolated'],
	['our driver for every volume', host({ VolumeDriver: 'birthmark' }), 'mount-illegal'],
	['a volume of our driver with options', call('POST', '/volumes/create', { Name: 'x', Driver: 'docker.io/library/birthmark:latest', DriverOpts: { size: '1g' } }), 'mount-illegal'],
	['a volume of our driver by a prefix of its id, with options', call('POST', '/volumes/create', { Driver: 'feed', DriverOpts: { o: 'bind' } }), 'mount-illegal'],
	['a volume of another driver that takes the name of the sentinel', call('POST', '/volumes/create', { Name: 'birthmark-sentinel', Driver: 'local' }), 'mount-illegal'],
	['the same with the driver that is none', call('POST', '/volumes/create', { Name: 'birthmark-sentinel' }), 'mount-illegal'],
	['a volume whose body the engine did not show', call('POST', '/volumes/create'), 'engine-request-unseen'],
	['a service with an identity volume', call('POST', '/services/create', { TaskTemplate: { ContainerSpec: { Mounts: [{ Type: 'volume', Source: VICTIM_VOLUME, Target: '/x' }] } } }), 'mount-illegal'],
	['a service with our driver and no label', call('POST', '/services/x/update?version=1', { TaskTemplate: { ContainerSpec: { Image: 'app:1', Mounts: [identityMount] } } }), 'label-missing', /--container-label/],
	['a service that binds what a template will say', call('POST', '/services/create', { TaskTemplate: { ContainerSpec: { Mounts: [{ Type: 'bind', Source: '/run/birth{{"mark"}}', Target: '/x' }] } } }), 'mount-illegal', /template/],
	['a service with a local volume whose options a template will say', call('POST', '/services/create', { TaskTemplate: { ContainerSpec: { Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Name: 'local', Options: { o: 'bind', device: '/run/birth{{"mark"}}' } } } }] } } }), 'identity-isolated', /braces/],
	['a service with a local volume that becomes a bind by a template', call('POST', '/services/create', { TaskTemplate: { ContainerSpec: { Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Name: 'local', Options: { o: '{{.Service.Name}}', device: 'run/birthmark' } } } }] } } }), 'mount-illegal', /template/],
	['a service whose body the engine did not show', call('POST', '/services/create'), 'engine-request-unseen'],
	['a read of files of a labelled container', call('GET', '/containers/victim/archive?path=/run/birthmark'), 'identity-isolated'],
	['a look at files of a labelled container', call('HEAD', `/v1.41/containers/${VICTIM.slice(0, 12)}/archive?path=/`), 'identity-isolated'],
	['a write of files into a labelled container', call('PUT', '/containers/%2Fvictim/archive?path=/'), 'identity-isolated'],
	['an export of a labelled container', call('GET', '/containers/victim/export'), 'identity-isolated'],
	['a commit of a labelled container', call('POST', '/commit?container=victim&repo=x'), 'identity-isolated'],
	['a commit with a form', call('POST', '/commit?container=other', undefined, { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }), 'engine-request-unseen'],
	['a rename with a form', call('POST', '/containers/other/rename?name=x', undefined, { headers: { 'Content-Type': ' Application/X-WWW-Form-Urlencoded; a', 'Content-Length': '9' } }), 'engine-request-unseen'],
	['the parameters of any call in a multipart form', call('POST', '/images/create', undefined, { headers: { 'Content-Type': 'mult\u0130part/form-data; boundary=x' } }), 'engine-request-unseen'],
	['a commit with a body that is not shown, whatever it says to be', call('POST', '/commit?container=other', undefined, { headers: { 'Content-Type': 'application/json' } }), 'engine-request-unseen'],
	['a start with a body that is not shown', call('POST', '/containers/other/start', undefined, { headers: { 'Content-Type': 'text/plain', 'Content-Length': '12' } }), 'engine-request-unseen'],
	['a checkpoint of a labelled container', call('POST', '/containers/victim/checkpoints', { CheckpointID: 'x' }), 'identity-isolated'],
	// asking for an identity
	['a label without the volume', create({ ...labelled, HostConfig: {} }), 'mount-missing', /--mount type=volume,volume-driver=birthmark,dst=\/run\/birthmark/],
	['a size that is no size', labelledWith({ Labels: { ...named, 'birthmark.size': '1g' } }), 'label-illegal', /4m/],
	['more inodes than one container may have', labelledWith({ Labels: { ...named, 'birthmark.inodes': '5000' } }), 'label-illegal'],
	['a container that would make a volume with the name of the sentinel', create({ ...labelled, Labels: {}, HostConfig: { Binds: ['birthmark-sentinel:/x'] } }), 'label-missing'],
	['the same by a mount', create({ ...labelled, Labels: {}, HostConfig: { Mounts: [{ Type: 'volume', Source: 'birthmark-sentinel', Target: '/x' }] } }), 'label-missing'],
	['the volume without a label', create({ ...labelled, Labels: {} }), 'label-missing', /--label birthmark\.cn=NAME/],
	['an unknown label', labelledWith({ Labels: { ...named, 'birthmark.cnn': 'x' } }), 'label-unknown', /did you mean/],
	['an illegal name', labelledWith({ Labels: { ...named, 'birthmark.cn': '*.example.com' } }), 'name-illegal'],
	['the identity at another place', labelledWith({}, { Mounts: [{ ...identityMount, Target: '/run/birthmarks' }] }), 'mount-illegal', /\/run\/birthmark,/],
	['the identity twice', labelledWith({}, { Mounts: [identityMount, { ...identityMount, Target: '/x' }] }), 'mount-illegal', /once/],
	['the volume of another container, by mount', labelledWith({}, { Mounts: [{ ...identityMount, Source: VICTIM_VOLUME }] }), 'identity-isolated', /victim01.*a volume of its own/],
	['the volume of another container, by bind', labelledWith({}, { Mounts: [], Binds: [`${VICTIM_VOLUME}:/run/birthmark`] }), 'identity-isolated', /victim01/],
	['the volume of another container elsewhere beside its own', labelledWith({}, { Binds: [`${VICTIM_VOLUME}:/x`] }), 'mount-illegal', /once/],
	['an unused volume elsewhere', labelledWith({}, { Mounts: [], Binds: [`${UNUSED_VOLUME}:/x`] }), 'mount-illegal', /not at "\/x"/],
	['an unused volume without a label', host({ Binds: [`${UNUSED_VOLUME}:/run/birthmark`] }), 'label-missing'],
	['a privileged container with an identity', labelledWith({}, { Privileged: true }), 'container-too-powerful', /privileged/],
	['a container with an identity that may mount', labelledWith({}, { CapAdd: ['NET_ADMIN', 'SYS_ADMIN'] }), 'container-too-powerful', /SYS_ADMIN/],
	['the same spelt otherwise', labelledWith({}, { CapAdd: ['cap_sys_admin'] }), 'container-too-powerful'],
	['all capabilities for a container with an identity', labelledWith({}, { CapAdd: ['all'] }), 'container-too-powerful'],
	['the old word for added capabilities', labelledWith({}, { Capabilities: ['CAP_SYS_MODULE'] }), 'container-too-powerful'],
	['the sentinel as its volume', labelledWith({}, { Mounts: [], Binds: ['birthmark-sentinel:/run/birthmark'] }), 'mount-illegal', /of your own/],
	['options for the volume', labelledWith({}, { Mounts: [{ ...identityMount, VolumeOptions: { DriverConfig: { Name: 'birthmark', Options: { size: '1g' } } } }] }), 'mount-illegal', /options/],
	['a directory of the volume only', labelledWith({}, { Mounts: [{ ...identityMount, VolumeOptions: { ...identityMount.VolumeOptions, subPath: 'bin' } }] }), 'mount-illegal', /"bin"/],
	['a bind below the identity', labelledWith({}, { Binds: ['/etc:/run/birthmark/bin'] }), 'mount-illegal', /nothing else/],
	['a tmpfs over the identity', labelledWith({}, { Tmpfs: { '/run/../run/birthmark/': '' } }), 'mount-illegal', /nothing else/],
	['a volume below the identity', labelledWith({ Volumes: { '/run/birthmark/x': {} } }), 'mount-illegal', /nothing else/],
	['a user that the image does not know', labelledWith({ User: 'mail' }), 'label-missing', /\/etc\/passwd/],
	['an image with such a user', labelledWith({ Image: 'named-user' }), 'label-missing', /nobody/],
	['labels of the wrong type', create({ Labels: { 'birthmark.cn': 1 } }), 'request-malformed'],
];

for (const [sentence, request, code, says] of REFUSED) {
	test(`refuses ${sentence}`, async (t) => {
		const { deps, ca } = world();
		await refused(t, deps, request, code, says);
		t.is(ca.authorized.length, 0);
	});
}

const ALLOWED: readonly (readonly [sentence: string, request: EngineCall])[] = [
	['a container that asks for nothing', create({ Image: 'x', Labels: { a: 'b', A: 'c', 'größe': '1' } })],
	['a container with ordinary binds and volumes', host({ Binds: ['/srv:/x', 'data:/y', '/etc/localtime:/z:ro'], Mounts: [{ Type: 'volume', Source: 'v', Target: '/z' }, { Type: 'tmpfs', Target: '/t' }] })],
	['an unlabelled container with something at our path', host({ Tmpfs: { '/run/birthmark': '' } })],
	['volumes from an unlabelled container', host({ VolumesFrom: ['other'] })],
	['a create by an old client with limits at the top', create({ Memory: 1024, VolumeDriver: '', Binds: null })],
	['a local volume that binds a directory of its own', localVolume({ type: 'none', o: 'rw,bind', device: '/srv/data' })],
	['a local volume of an overlay of its own', localVolume({ type: 'overlay', device: 'overlay', o: 'lowerdir=/srv/a:/srv/b,upperdir=/srv/c,workdir=/srv/d' })],
	['a volume of a share with a backslash in its user', localVolume({ type: 'cifs', device: '//server/share', o: 'username=DOMAIN\\user' })],
	['a service with a volume for each of its tasks', call('POST', '/services/create', { TaskTemplate: { ContainerSpec: { Mounts: [{ Type: 'volume', Source: 'data-{{.Task.Slot}}', Target: '/x', VolumeOptions: { DriverConfig: { Options: { type: 'nfs', o: 'addr=10.0.0.1', device: ':/export/{{.Task.Slot}}' } } } }] } } })],
	['a volume of another driver with types of its own', call('POST', '/volumes/create', { Driver: 'cloud', DriverOpts: { type: 'gp2' } })],
	['a local volume of its own', localVolume({ type: 'nfs', o: 'addr=10.0.0.1', device: ':/export' })],
	['a volume of our driver by name, for a container to come', call('POST', '/volumes/create', { Name: 'project_identity', Driver: 'birthmark' })],
	['a named local volume', call('POST', '/volumes/create', { Name: 'x', Driver: 'local' })],
	['a start without a body', call('POST', '/v1.41/containers/victim/start')],
	['a start with an empty object', call('POST', '/v1.41/containers/victim/start', {})],
	['an exec in an unlabelled container', call('POST', '/containers/other/exec', { Cmd: ['ls'] })],
	['a build', call('POST', '/build?t=x&networkmode=host')],
	['a look at what a labelled container prints', call('GET', '/containers/victim/logs?stdout=1')],
	['new limits for a labelled container', call('POST', '/containers/victim/update', { Memory: 1 })],
	['a network for a labelled container', call('POST', '/networks/x/connect', { Container: 'victim' })],
	['the control of another plugin', call('POST', '/plugins/other/disable?force=1')],
	['a stop', call('POST', '/containers/victim/stop')],
	['an archive of an unlabelled container', call('GET', '/containers/other/archive?path=/')],
	['a commit of an unlabelled container', call('POST', '/commit?container=other', 'null', { headers: { 'Content-Type': 'application/json' } })],
	['a commit without a body', call('POST', '/commit?container=other', undefined, { headers: { 'Content-Type': 'text/plain', 'Content-Length': '0' } })],
	['an empty form', call('POST', '/containers/other/stop', undefined, { headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '0' } })],
	['a start as the docker command sends it', call('POST', '/containers/other/start', undefined, { headers: { 'Content-Type': 'text/plain', 'Content-Length': '0' } })],
	['a call whose body is no form', call('POST', '/images/load', undefined, { headers: { 'Content-Type': 'application/x-tar' } })],
	['a list in an ancient version', call('GET', '/v1.12/containers/json')],
	['a service without anything of ours', call('POST', '/services/create', { TaskTemplate: { ContainerSpec: { Image: 'x' } } })],
	['a labelled container of an image that is still to be pulled', labelledWith({ Image: 'absent:1' })],
	['the volume for an image that is still to be pulled, and may have the labels', labelledWith({ Image: 'absent:1', Labels: {} })],
];

for (const [sentence, request] of ALLOWED) {
	test(`lets pass ${sentence}`, async (t) => {
		const { deps, ca } = world();
		t.deepEqual(await authorizeRequest(deps, request), { Allow: true });
		t.is(ca.authorized.length, 0);
	});
}

test('a labelled container is asked for at the CA, which stores nothing yet', async (t) => {
	const { deps, ca, identities } = world();
	const request = create({ ...labelled, Labels: { ...named, 'birthmark.ttl': '1h', 'birthmark.dns': 'api' } }, '/containers/create?name=first&name=second');
	t.true((await authorizeRequest(deps, request)).Allow);
	t.deepEqual(ca.authorized, [{ commonName: 'api01', organizationalUnit: 'web-api', dnsNames: ['api'], lifetimeSeconds: 3600, image: 'app:1', imageId: IMAGE_ID, containerName: 'first', dryRun: true }]);
	t.deepEqual(identities, []);
});

test('the policy is asked who runs what as whom, before the CA is, and again about the container that was made', async (t) => {
	const { deps, engine, ca, policy, identities } = world();
	const request = { ...create({ ...labelled, User: '0:0', HostConfig: { ...labelled.HostConfig, NetworkMode: 'backend', Binds: ['/srv/data:/x'] } }, '/containers/create?name=first'), caller: 'alice' };
	t.true((await authorizeRequest(deps, request)).Allow);
	t.like(policy.asked[0], { caller: 'alice', action: 'run' });
	t.like(policy.asked[0]!.subject.container, { commonName: 'api01', organizationalUnit: 'web-api', organization: 'test', name: 'first', user: 'root', network: 'backend', binds: ['/srv/data'] });
	t.like(policy.asked[0]!.subject.container!.image, { reference: 'app:1', repository: 'app', tag: '1', id: IMAGE_ID });
	engine.list.push(engineContainer({ Id: NEW, Names: ['/first'], Mounts: [{ Type: 'volume', Name: NEW_VOLUME, Driver: 'birthmark:latest', Destination: '/run/birthmark' }], Labels: named }));
	policy.permitted.delete('run');
	const answer = await authorizeResponse(deps, { ...request, response: { status: 201, body: Buffer.from(JSON.stringify({ Id: NEW, Warnings: [] })) } });
	t.regex(answer.Msg!, /was created but has no identity.*\[policy-refused\]$/);
	t.is(policy.asked.at(-1)!.subject.container!.id, NEW);
	t.deepEqual(identities, []);
	t.true(ca.authorized.every(({ dryRun }) => dryRun));
});

test('whether a container with an identity may have power over the host is asked with all its names', async (t) => {
	const { deps, policy } = world();
	await refused(t, deps, labelledWith({}, { PidMode: 'host' }), 'identity-isolated');
	t.like(policy.asked.at(-1), { action: 'reach-host', subject: { container: { commonName: 'api01', organizationalUnit: 'web-api', organization: 'test', powers: ['pid-host'] } } } as object);
});

test('who may not run a name is refused, and the CA is not asked', async (t) => {
	const { deps, ca, policy } = world();
	policy.permitted.delete('run');
	await refused(t, deps, create(labelled), 'policy-refused', /no rule permits run/);
	t.deepEqual(ca.authorized, []);
	t.true((await authorizeRequest(deps, create({ Image: 'x' }))).Allow, 'who asks for no name is not judged');
});

test('what the CA says is what the user reads', async (t) => {
	const { deps, ca } = world();
	ca.failure = new BirthmarkError('name-not-allowed', 'no rule allows "api01" with role "web-api" on node "host1"');
	await refused(t, deps, create(labelled), 'name-not-allowed', /no rule allows "api01"/);
});

test('a CA that is away refuses labelled containers and no others', async (t) => {
	const { deps, ca } = world();
	ca.failure = new BirthmarkError('ca-unavailable', 'the CA could not be reached');
	await refused(t, deps, create(labelled), 'ca-unavailable');
	t.true((await authorizeRequest(deps, create({ Image: 'x' }))).Allow);
});

test('an engine that does not answer refuses what depends on its answer', async (t) => {
	const { deps, engine } = world();
	engine.containers = async () => {
		throw new BirthmarkError('engine-unavailable');
	};
	await refused(t, deps, call('GET', '/containers/other/archive'), 'engine-unavailable');
	t.true((await authorizeRequest(deps, call('GET', '/containers/other/json'))).Allow);
});

test('an unexpected error refuses, and keeps its detail to itself', async (t) => {
	const { deps } = world();
	const verdict = await authorizeRequest({ ...deps, self: async () => Promise.reject(new Error('secret detail')) }, create(labelled));
	t.false(verdict.Allow);
	t.regex(verdict.Msg!, /\[internal\]$/);
	t.notRegex(verdict.Msg!, /secret detail/);
});

test('our own calls pass, and only with our key', async (t) => {
	const { deps, ownCalls, proofs } = world();
	const own = call('POST', '/volumes/create', { Name: 'birthmark-sentinel', Driver: 'birthmark', DriverOpts: { x: 'y' } }, { headers: ownCalls.headers });
	t.true((await authorizeRequest(deps, own)).Allow);
	const forged = createOwnCalls();
	await refused(t, deps, { ...own, headers: forged.headers }, 'mount-illegal');
	await refused(t, deps, { ...own, headers: { 'X-Birthmark-Key': '' } }, 'mount-illegal');
	t.true((await authorizeRequest(deps, call('GET', '/_ping', undefined, { headers: { ...ownCalls.headers, ...ownCalls.proofHeaders('n1') } }))).Allow);
	await authorizeRequest(deps, call('GET', '/_ping', undefined, { headers: { ...forged.headers, ...ownCalls.proofHeaders('n2') } }));
	t.deepEqual(proofs, ['n1']);
	const asksForRefusal = call('GET', '/_ping', undefined, { headers: { ...ownCalls.headers, ...ownCalls.proofHeaders('n3') } });
	t.false((await authorizeRequest(deps, asksForRefusal)).Allow, 'a proof may ask to be refused');
});

test('the sentinel volume is not removed, and other volumes are', async (t) => {
	const { deps } = world();
	await refused(t, deps, call('DELETE', '/v1.41/volumes/birthmark-sentinel?force=1'), 'sentinel-needed', /daemon\.json/);
	await refused(t, deps, call('DELETE', '/volumes/birthmark%2dsentinel'), 'sentinel-needed');
	await refused(t, deps, call('DELETE', '/volumes/birthmark-guard-sentinel'), 'sentinel-needed');
	t.true((await authorizeRequest(deps, call('DELETE', '/volumes/data'))).Allow);
	t.true((await authorizeRequest(deps, call('POST', '/volumes/prune?filters={"all":["true"]}'))).Allow);
	t.true((await authorizeRequest(deps, call('DELETE', '/volumes/birthmark-guard-sentinel', undefined, { headers: { 'X-Birthmark-Permit': 'good' } }))).Allow, 'root on the host may');
});

const created = (body: object = labelled, status = 201) => ({ ...create(body), response: { status, body: Buffer.from(JSON.stringify({ Id: NEW, Warnings: [] })) } });
const newContainer = (Labels: Record<string, string> = named) => engineContainer({ Id: NEW, Names: ['/api01'], State: 'created', ImageID: IMAGE_ID, Labels, Mounts: [{ Type: 'volume', Name: NEW_VOLUME, Driver: 'birthmark:latest', Destination: '/run/birthmark' }] });

test('a created container is authorized by its id and recorded with its volume and owner', async (t) => {
	const { deps, engine, ca, identities } = world();
	engine.list.push(newContainer());
	t.deepEqual(await authorizeResponse(deps, created()), { Allow: true });
	t.deepEqual(ca.authorized, [{ commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [], image: 'app:1', imageId: IMAGE_ID, containerId: NEW, containerName: 'api01' }]);
	t.deepEqual(identities, [identityRecord({ volume: NEW_VOLUME, containerId: NEW, authorizationId: 'authorization-1', imageId: IMAGE_ID, uid: 1000, gid: 1001 })]);
});

const RUNTIMES = { runc: { path: 'runc' }, birthmark: { path: '/usr/local/lib/birthmark/birthmark-runtime' } };
const byRuntime = { Image: 'app:1', Labels: named, HostConfig: { Runtime: 'birthmark' } };

/** An engine that has the runtime, and a container that was just created with it. */
function worldWithRuntime(Runtime = 'birthmark', DefaultRuntime = 'runc') {
	const it = world();
	it.engine.runtimes = { Runtimes: RUNTIMES, DefaultRuntime };
	it.engine.list.push({ ...newContainer(), Mounts: [] });
	it.engine.details.set(NEW, { HostConfig: { Runtime } });
	return it;
}

test('a labelled container without a volume is recorded by its id where its runtime hands the identity over', async (t) => {
	const { deps, ca, identities } = worldWithRuntime();
	t.deepEqual(await authorizeRequest(deps, create(byRuntime)), { Allow: true });
	t.is(ca.authorized.length, 1);
	t.deepEqual(await authorizeResponse(deps, created(byRuntime)), { Allow: true });
	t.deepEqual(identities, [identityRecord({ volume: NEW, containerId: NEW, authorizationId: 'authorization-2', imageId: IMAGE_ID, uid: 1000, gid: 1001, delivery: 'runtime', agentMode: 'exec' })]);
});

test('the default runtime hands it over to containers that name none', async (t) => {
	const { deps, engine, identities } = worldWithRuntime('birthmark', 'birthmark');
	const body = { Image: 'app:1', Labels: { ...named, 'birthmark.agent': 'none' } };
	t.deepEqual(await authorizeRequest(deps, create(body)), { Allow: true });
	engine.list.splice(-1, 1, { ...newContainer(body.Labels), Mounts: [] });
	t.deepEqual(await authorizeResponse(deps, created(body)), { Allow: true });
	t.like(identities[0], { delivery: 'runtime', agentMode: 'none' });
});

test('with any other runtime the label alone is refused, before and after', async (t) => {
	const { deps, engine, identities } = worldWithRuntime('runc');
	await refused(t, deps, create({ ...byRuntime, HostConfig: { Runtime: 'runc' } }), 'mount-missing', /--mount type=volume.*or use --runtime birthmark/);
	await refused(t, deps, create({ ...byRuntime, HostConfig: {} }), 'mount-missing');
	// The engine says that the container has another one than was asked for.
	t.regex((await authorizeResponse(deps, created(byRuntime))).Msg!, /^birthmark: the container has birthmark labels, but not .*\[mount-missing\]$/);
	t.deepEqual(identities, []);
	t.deepEqual(engine.removedContainers, [NEW], 'nobody would be asked when a restart policy starts it');
});

test('what is in the way of an identity takes no container away that does not start without one', async (t) => {
	const { deps, engine, ca } = worldWithRuntime();
	ca.failure = new BirthmarkError('name-not-allowed', 'no rule allows it');
	const says = async (runtime: string): Promise<string> => {
		engine.details.set(NEW, { Config: { OpenStdin: false }, HostConfig: { Runtime: runtime }, Mounts: [] });
		return (await authorizeResponse(deps, created(byRuntime))).Msg!;
	};
	t.regex(await says('birthmark'), /was created but has no identity and will not start \(no rule allows it\); remove it/);
	t.deepEqual(engine.removedContainers, []);
	engine.removeContainer = () => Promise.reject(new Error('busy'));
	t.regex(await says('runc'), /was created but has no identity and will not start .*; remove it/, 'it could not be removed');
});

for (const way of ['start', 'restart']) {
	test(`${way}: a labelled container that nothing gives an identity does not run`, async (t) => {
		const { deps, engine } = worldWithRuntime('runc');
		engine.list.push(engineContainer({ Id: 'e'.repeat(64), Names: ['/plain'], Labels: {}, Mounts: [] }));
		const start = (reference: string) => call('POST', `/v1.41/containers/${reference}/${way}`);
		for (const reference of [NEW, NEW.slice(0, 12), 'api01']) await refused(t, deps, start(reference), 'mount-missing', /^birthmark: the container "api01" has birthmark labels and would start without an identity.*remove it, and create it again with --mount type=volume.*, or use --runtime birthmark/);
		for (const reference of [VICTIM, 'victim', 'plain', 'none-such']) t.deepEqual(await authorizeRequest(deps, start(reference)), { Allow: true }, reference);
		engine.details.set(NEW, { Config: { OpenStdin: false }, HostConfig: { Runtime: 'birthmark' }, Mounts: [] });
		t.deepEqual(await authorizeRequest(deps, start(NEW)), { Allow: true }, 'the runtime itself judges it');
	});
}

test('a container that has its identity is started without a question to the engine', async (t) => {
	const { deps, engine } = world();
	const asked = engine.questions;
	t.deepEqual(await authorizeRequest(deps, call('POST', `/containers/${VICTIM}/start`)), { Allow: true });
	t.is(engine.questions, asked);
});

test('so is one for which the engine has written our runtime down', async (t) => {
	const { deps, engine } = worldWithRuntime();
	t.deepEqual(await authorizeResponse(deps, created(byRuntime)), { Allow: true });
	const asked = engine.questions;
	engine.inspect = () => Promise.reject(new Error('its lock is held'));
	t.deepEqual(await authorizeRequest(deps, call('POST', `/containers/${NEW}/start`)), { Allow: true });
	t.is(engine.questions, asked);
});

test('one whose runtime is left open until it starts gets that of then, or does not start', async (t) => {
	const { deps, engine, identities } = worldWithRuntime('', 'birthmark');
	const body = { Image: 'app:1', Labels: named };
	t.deepEqual(await authorizeResponse(deps, created(body)), { Allow: true });
	t.like(identities[0], { delivery: 'runtime' });
	const start = call('POST', `/containers/${NEW}/start`);
	t.deepEqual(await authorizeRequest(deps, start), { Allow: true });
	engine.runtimes = { Runtimes: RUNTIMES, DefaultRuntime: 'runc' };
	await refused(t, deps, start, 'mount-missing');
});

test('where the runtime hands the identity over nothing else lies at its place, and nobody has great powers', async (t) => {
	const { deps } = worldWithRuntime();
	const withHost = (more: object): EngineCall => create({ ...byRuntime, HostConfig: { Runtime: 'birthmark', ...more } });
	await refused(t, deps, withHost({ Tmpfs: { '/run/birthmark/x': '' } }), 'mount-illegal');
	await refused(t, deps, withHost({ Binds: ['v:/run/birthmark'] }), 'mount-illegal');
	await refused(t, deps, withHost({ Mounts: [{ Type: 'bind', Source: '/srv', Target: '/x', BindOptions: { Propagation: 'rshared' } }] }), 'mount-illegal');
	await refused(t, deps, withHost({ CapAdd: ['SYS_ADMIN'] }), 'container-too-powerful');
	await refused(t, deps, create({ ...byRuntime, Labels: { 'birthmark.nc': 'x' } }), 'label-unknown');
});

test('a volume of another container or of the image at the reserved place keeps the identity away', async (t) => {
	for (const Driver of ['local', 'birthmark:latest']) {
		const { deps, engine, identities } = worldWithRuntime();
		engine.list.splice(1, 1, { ...newContainer(), Mounts: [{ Type: 'volume', Name: VICTIM_VOLUME, Driver, Destination: '/run/birthmark' }] });
		t.regex((await authorizeResponse(deps, created(byRuntime))).Msg!, /\[mount-illegal\]$/);
		t.deepEqual(identities, []);
	}
});

test('an image whose labels ask for it is remembered from the decision until the container is there', async (t) => {
	const { deps, engine, identities } = worldWithRuntime();
	engine.images.set('app:1', { Id: IMAGE_ID, Config: { Labels: named } });
	const body = { Image: 'app:1', HostConfig: { Runtime: 'birthmark' } };
	t.deepEqual(await authorizeResponse(deps, created(body)), { Allow: true });
	t.deepEqual(identities, [], 'nobody decided on it: it has no record, and does not start');
	t.deepEqual(await authorizeRequest(deps, create(body)), { Allow: true });
	t.deepEqual(await authorizeResponse(deps, created(body)), { Allow: true });
	t.like(identities[0], { delivery: 'runtime' });
});

test('a container that the engine shows without the labels of its request is no unlabelled one', async (t) => {
	const { deps, engine } = worldWithRuntime();
	engine.list.splice(-1, 1, { ...newContainer({}), Mounts: [] });
	t.regex((await authorizeResponse(deps, created(byRuntime))).Msg!, /\[label-missing\]$/);
});

test('the container that is made to look for a user in an image is none of its containers, though the image is asked for by its id', async (t) => {
	const { deps, engine, ownCalls, births } = worldWithRuntime('runc');
	engine.images.set(IMAGE_ID, { Id: IMAGE_ID, Config: { Labels: named, User: 'www-data' } });
	engine.list.splice(-1, 1, { ...newContainer(), Mounts: [] });
	const body = { Image: IMAGE_ID, HostConfig: { Runtime: 'birthmark' } };
	t.deepEqual(await authorizeRequest(deps, create(body)), { Allow: true });
	const lookup = created({ Image: IMAGE_ID, Labels: { [LOOKUP_LABEL]: 'x' } });
	t.deepEqual(await authorizeResponse(deps, { ...lookup, headers: ownCalls.headers }), { Allow: true });
	t.deepEqual([births, engine.removedContainers], [[], []]);
	t.false((await authorizeResponse(deps, { ...lookup, headers: createOwnCalls().headers })).Allow, 'of somebody else it is');
});

test('an image that was remembered is any image once it is built without our labels', async (t) => {
	const { deps, engine, identities } = worldWithRuntime('runc');
	engine.images.set('app:1', { Id: IMAGE_ID, Config: { Labels: named } });
	t.deepEqual(await authorizeRequest(deps, create({ Image: 'app:1', HostConfig: { Runtime: 'birthmark' } })), { Allow: true });
	engine.images.set('app:1', { Id: IMAGE_ID, Config: {} });
	engine.list.splice(-1, 1, { ...newContainer({ 'com.docker.swarm.task.id': 'x' }), Mounts: [] });
	const body = { Image: 'app:1', HostConfig: { CapAdd: ['SYS_ADMIN'] } };
	t.deepEqual(await authorizeResponse(deps, created(body)), { Allow: true });
	t.deepEqual([identities, engine.removedContainers], [[], []]);
	engine.list.splice(-1, 1, { ...newContainer(), Mounts: [] });
	t.regex((await authorizeResponse(deps, created(body))).Msg!, /\[container-too-powerful\]$/, 'it was built with them again in between');
});

test('the agent is put in front of a container with a volume only by our runtime', async (t) => {
	const { deps } = worldWithRuntime();
	const body = { ...labelled, Labels: { ...named, 'birthmark.agent': 'exec' } };
	await refused(t, deps, create(body), 'label-illegal', /use --runtime birthmark/);
	t.deepEqual(await authorizeRequest(deps, create({ ...body, HostConfig: { ...labelled.HostConfig, Runtime: 'birthmark' } })), { Allow: true });
});

test('the start of a container that is let through is told, a refused one and one from a checkpoint are not', async (t) => {
	const { deps, startsAsked } = world();
	await authorizeRequest(deps, call('POST', `/v1.41/containers/${NEW}/start`));
	await authorizeRequest(deps, call('POST', '/v1.23/containers/old/start'));
	await authorizeRequest(deps, call('POST', '/v1.41/containers/body/start', { Binds: ['/:/x'] }));
	await authorizeRequest(deps, call('POST', '/v1.41/containers/other/start?checkpoint=x'));
	t.deepEqual(startsAsked, [NEW]);
});

test('labels of the image count like those of the request', async (t) => {
	const { deps, engine, ca, identities } = world();
	const fromImage = { ...named, 'birthmark.dns': 'api', 'birthmark.ttl': '1h' };
	engine.images.set(IMAGE_ID, { Id: IMAGE_ID, Config: { Labels: fromImage } });
	engine.images.set('app:1', engine.images.get(IMAGE_ID)!);
	engine.list.push(newContainer({ ...fromImage, 'birthmark.ttl': '2h' }));
	const request = { ...labelled, Labels: { 'birthmark.ttl': '2h' } };
	t.deepEqual(await authorizeRequest(deps, create(request)), { Allow: true });
	t.deepEqual(await authorizeResponse(deps, created(request)), { Allow: true });
	for (const asked of ca.authorized) t.like(asked, { commonName: 'api01', dnsNames: ['api'], lifetimeSeconds: 7200 });
	t.like(identities[0], { commonName: 'api01', dnsNames: ['api'] });
	await refused(t, deps, create({ Image: 'app:1' }), 'mount-missing');
	await refused(t, deps, create({ ...labelled, Labels: { 'birthmark.cn': '' } }), 'name-illegal');
	engine.images.set('app:1', { Id: IMAGE_ID, Config: { Labels: { ...named, 'birthmark.nc': 'x' } } });
	await refused(t, deps, create(labelled), 'label-unknown');
});

test('birthmark.cn=auto: the name that the container has on its engine, before and after it is there', async (t) => {
	const { deps, engine, ca, identities, policy } = world();
	const compose = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'api', 'com.docker.compose.container-number': '3' };
	const request = { ...labelled, Labels: { 'birthmark.cn': 'auto', ...compose } };
	const uri = '/v1.41/containers/create?name=shop-api-3';
	t.deepEqual(await authorizeRequest(deps, create(request, uri)), { Allow: true });
	engine.list.push({ ...newContainer(request.Labels), Names: ['/shop-api-3'] });
	t.deepEqual(await authorizeResponse(deps, { ...created(request), ...splitUri(uri) }), { Allow: true });
	for (const asked of ca.authorized) t.like(asked, { commonName: 'shop-api-3', organizationalUnit: 'api', containerName: 'shop-api-3' });
	for (const { subject } of policy.asked) t.like(subject.container, { commonName: 'shop-api-3', organizationalUnit: 'api', name: 'shop-api-3' });
	t.like(identities[0], { commonName: 'shop-api-3', organizationalUnit: 'api' });

	await refused(t, deps, create(request), 'label-missing', /--name NAME/);
	engine.list.splice(1, 1, { ...newContainer(request.Labels), Names: ['/other'] });
	t.regex((await authorizeResponse(deps, { ...created(request), ...splitUri(uri) })).Msg!, /called "other" and not "shop-api-3".*\[identity-isolated\]/);
	t.regex((await authorizeResponse(deps, created(request))).Msg!, /\[label-missing\]/, 'the engine invented it');
	t.is(identities.length, 1);
});

test('an image that changed its labels between decision and creation is decided on again', async (t) => {
	const { deps, engine, ca, identities } = world();
	engine.list.push(newContainer({ ...named, 'birthmark.cn': 'api02' }));
	t.deepEqual(await authorizeResponse(deps, created({ ...labelled, Labels: {} })), { Allow: true });
	t.is(ca.authorized.length, 1);
	t.like(identities[0], { commonName: 'api02' });
	engine.list.splice(1, 1, newContainer({}));
	t.regex((await authorizeResponse(deps, created({ ...labelled, Labels: {} }))).Msg!, /\[label-missing\]$/);
	t.is(identities.length, 1);
});

test('what could not be judged before, because the image came only in between, is judged after', async (t) => {
	for (const [HostConfig, code] of [
		[{ Mounts: [identityMount], CapAdd: ['SYS_ADMIN'] }, 'container-too-powerful'],
		[{ Mounts: [identityMount, { Type: 'tmpfs', Target: '/run/birthmark/x' }] }, 'mount-illegal'],
	] as const) {
		const { deps, engine, ca, identities } = world();
		engine.list.push(newContainer());
		const { Msg } = await authorizeResponse(deps, created({ Image: 'pulled-meanwhile', HostConfig }));
		t.true(Msg?.endsWith(`[${code}]`), Msg);
		t.deepEqual([ca.authorized, identities], [[], []]);
	}
});

test('the name of a container is told as the engine keeps it', async (t) => {
	const { deps, policy, ca } = world();
	await authorizeRequest(deps, create(labelled, '/v1.41/containers/create?name=%2Fapi01'));
	t.is(policy.asked.at(-1)?.subject.container?.name, 'api01');
	t.is(ca.authorized.at(-1)?.containerName, 'api01');
});

test('a user whom the image calls by another name than root is root to the rules', async (t) => {
	const { deps, policy } = world();
	await authorizeRequest({ ...deps, ownerOf: async () => ({ uid: 0, gid: 0 }) }, create({ ...labelled, User: 'web', Labels: { ...named, 'birthmark.uid': '7' } }));
	t.is(policy.asked.at(-1)?.subject.container?.user, 'root');
	await authorizeRequest({ ...deps, ownerOf: async () => ({ uid: 5, gid: 0 }) }, create({ ...labelled, User: 'web' }));
	t.is(policy.asked.at(-1)?.subject.container?.user, 'web');
	const nobody = async (user: string): Promise<Owner> => plainOwner(user) ?? t.fail('numbers say it all');
	t.true((await authorizeRequest({ ...deps, ownerOf: nobody }, create({ ...labelled, User: '1000:1000', Labels: named }))).Allow);
});

test('where the engine has user namespaces, owners are ids on the host, unless the container stays out of them', async (t) => {
	for (const [UsernsMode, uid] of [['', 101_000], ['host', 1000]] as const) {
		const { deps, engine, identities } = world(100_000);
		engine.list.push(newContainer());
		await authorizeResponse(deps, created({ ...labelled, HostConfig: { ...labelled.HostConfig, UsernsMode } }));
		t.like(identities[0], { uid, gid: uid + 1 });
	}
});

test('the directory belongs to the user of the container, its files to that of the labels', async (t) => {
	const { deps, engine, identities } = world();
	const Labels = { ...named, 'birthmark.uid': '7', 'birthmark.gid': '8', 'birthmark.mode': '0750', 'birthmark.size': '4m', 'birthmark.inodes': '500', 'birthmark.ca': 'network' };
	engine.list.push(newContainer(Labels));
	await authorizeResponse(deps, created({ ...labelled, User: 'www-data', Labels }));
	t.like(identities[0], { uid: 33, gid: 8, mode: 0o750, settings: { owner: '7:8' }, sizeBytes: 4 * 1024 * 1024, inodes: 500, caWay: 'network' });
});

test('a container that could not be authorized after all is named, with the remedy', async (t) => {
	const { deps, engine, ca, identities } = world();
	engine.list.push(newContainer());
	ca.failure = new BirthmarkError('ca-unavailable', 'the CA could not be reached');
	const verdict = await authorizeResponse(deps, created());
	t.false(verdict.Allow);
	t.regex(verdict.Msg!, /dddddddddddd was created but has no identity.*the CA could not be reached.*docker rm dddddddddddd.*\[ca-unavailable\]$/);
	t.deepEqual(identities, []);
});

test('a created container without the volume gets no identity', async (t) => {
	const { deps, engine } = world();
	engine.list.push({ ...newContainer(), Mounts: [] });
	t.regex((await authorizeResponse(deps, created())).Msg!, /\[mount-missing\]$/);
});

test('a container whose image declares a volume below the identity gets none', async (t) => {
	const { deps, engine, ca } = world();
	const container = newContainer();
	engine.list.push({ ...container, Mounts: [{ Type: 'volume', Name: 'f'.repeat(64), Driver: 'local', Destination: '/run/birthmark/keys' }, ...container.Mounts!] });
	t.regex((await authorizeResponse(deps, created())).Msg!, /\/run\/birthmark\/keys.*\[mount-illegal\]$/);
	t.is(ca.authorized.length, 0);
});

test('an unlabelled container whose name is the beginning of the id of a labelled one is entered, and called by its id for the rest', async (t) => {
	const { deps, engine } = world();
	engine.list.push(engineContainer({ Id: 'e'.repeat(64), Names: ['/cc'], Labels: {} }));
	t.true((await authorizeRequest(deps, call('POST', '/containers/cc/exec', { Cmd: ['id'] }))).Allow);
	await refused(t, deps, call('GET', '/containers/cc/archive'), 'identity-isolated');
	t.true((await authorizeRequest(deps, call('GET', `/containers/${'e'.repeat(64)}/archive`))).Allow);
	await refused(t, deps, call('GET', '/containers/ccc/archive'), 'identity-isolated');
});

test('an unlabelled container whose name is the id of a labelled one does not stand for it', async (t) => {
	const { deps, engine } = world();
	engine.list.unshift(engineContainer({ Id: 'e'.repeat(64), Names: [`/${VICTIM}`], Labels: {} }));
	await refused(t, deps, call('GET', `/containers/${VICTIM}/archive`), 'identity-isolated');
});

test('creates that failed and containers without labels leave nothing behind', async (t) => {
	const { deps, ca, identities } = world();
	t.true((await authorizeResponse(deps, created(labelled, 404))).Allow);
	t.true((await authorizeResponse(deps, created({ Image: 'x' }))).Allow);
	t.is(ca.authorized.length + identities.length, 0);
});

test('removals of containers are noticed, failed ones and other calls are not', async (t) => {
	const { deps, removals } = world();
	const done = (method: string, uri: string, status: number) => authorizeResponse(deps, { ...call(method, uri), response: { status, body: Buffer.alloc(0) } });
	await done('DELETE', '/v1.41/containers/victim?force=1', 204);
	await done('POST', '/containers/prune', 200);
	await done('DELETE', '/containers/victim', 409);
	await done('POST', '/containers/create', 400);
	await done('DELETE', '/images/x', 200);
	t.is(removals(), 2);
});

for (const [sentence, request] of [
	['a labelled container with a volume of our driver made before, by bind', labelledWith({}, { Mounts: [], Binds: [`${UNUSED_VOLUME}:/run/birthmark:rw`] })],
	['a labelled container with a volume of our driver made before, by mount', labelledWith({}, { Mounts: [{ Type: 'volume', Source: UNUSED_VOLUME, Target: '/run/birthmark' }] })],
	['a container made anew, of the same names as the one that has the volume', labelledWith({ Labels: { 'birthmark.cn': 'victim01', 'birthmark.ou': 'web-api' } }, { Mounts: [{ ...identityMount, Source: VICTIM_VOLUME }] })],
] as const) {
	test(`asks the CA for ${sentence}`, async (t) => {
		const { deps, ca } = world();
		t.deepEqual(await authorizeRequest(deps, request), { Allow: true });
		t.is(ca.authorized.length, 1);
	});
}

test('a volume whose container is gone is free for another', async (t) => {
	const { deps, engine, forgotten } = world();
	engine.list.length = 0;
	const verdict = await authorizeRequest(deps, labelledWith({}, { Mounts: [{ ...identityMount, Source: VICTIM_VOLUME }] }));
	t.true(verdict.Allow, verdict.Msg);
	t.deepEqual(forgotten, [VICTIM_VOLUME]);
});

test('while the engine does not answer, a volume stays with its container', async (t) => {
	const { deps, engine } = world();
	engine.containers = () => Promise.reject(new BirthmarkError('engine-unavailable'));
	await refused(t, deps, labelledWith({}, { Mounts: [{ ...identityMount, Source: VICTIM_VOLUME }] }), 'identity-isolated');
});

for (const [what, fails] of [
	['whose record cannot be written', ({ deps }: ReturnType<typeof world>) => ({ ...deps, records: { ...deps.records, addIdentity: () => { throw new BirthmarkError('identity-isolated'); } } })],
	['whose answer was lost', ({ deps }: ReturnType<typeof world>) => ({ ...deps, ca: { authorize: () => Promise.reject(new BirthmarkError('ca-unavailable')) } })],
] as const) test(`an authorization ${what} is ended again`, async (t) => {
	const it = world();
	const { engine, births, abandoned, ends } = it;
	engine.list.push(engineContainer({ Id: NEW, ImageID: IMAGE_ID, Mounts: [{ Type: 'volume', Name: NEW_VOLUME, Driver: 'birthmark:latest', Destination: '/run/birthmark' }] }));
	const answered = { ...create(labelled), response: { status: 201, body: Buffer.from(`{"Id":"${NEW}"}`) } };
	const verdict = await authorizeResponse(fails(it), answered);
	t.false(verdict.Allow);
	t.regex(verdict.Msg!, /remove it with docker rm.*\[[a-z-]+\]$/);
	t.deepEqual(births, [NEW], 'recorded before the CA was asked');
	t.deepEqual(abandoned, [NEW]);
	t.is(ends(), 1);
});

test('a service is recorded under the id that the engine gave it; an update at once, because its tasks do not wait', async (t) => {
	const { deps, engine, services } = world();
	const spec = { Name: 'api', TaskTemplate: { ContainerSpec: { Image: 'app:1', Labels: named, Mounts: [identityMount] } } };
	const creation = call('POST', '/services/create', spec);
	t.deepEqual(await authorizeRequest(deps, creation), { Allow: true });
	t.deepEqual(services, []);
	const ID = 'i5d1fu93nnghfpmx758311zij';
	t.deepEqual(await authorizeResponse(deps, { ...creation, response: { status: 201, body: Buffer.from(`{"ID":"${ID}","Warning":""}`) } }), { Allow: true });
	engine.services.push({ ID, name: 'api' });
	t.deepEqual(await authorizeRequest(deps, call('POST', '/v1.41/services/api/update?version=7', spec)), { Allow: true });
	t.deepEqual(services.map(([id, { names }]) => [id, names.commonName]), [[ID, 'api01'], [ID, 'api01']]);
	await authorizeRequest(deps, call('POST', '/services/gone/update', spec));
	await authorizeResponse(deps, { ...creation, body: Buffer.from('{"Name":"plain"}'), response: { status: 201, body: Buffer.from(`{"ID":"${ID}"}`) } });
	t.is(services.length, 2);
});

test('a service that could not be recorded is named, with the remedy', async (t) => {
	const { deps, ca } = world();
	const creation = call('POST', '/services/create', { TaskTemplate: { ContainerSpec: { Image: 'app:1', Labels: named, Mounts: [identityMount] } } });
	ca.failure = new BirthmarkError('ca-unavailable', 'the CA could not be reached');
	const verdict = await authorizeResponse(deps, { ...creation, response: { status: 201, body: Buffer.from('{"ID":"i5d1fu93nnghfpmx758311zij"}') } });
	t.regex(verdict.Msg!, /was created but its tasks get no identity \(the CA could not be reached\).*docker service rm i5d1fu93nnghfpmx758311zij.*\[ca-unavailable\]$/);
});
