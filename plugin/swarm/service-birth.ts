/**
 * `POST /services/create` and `/services/X/update` of a service whose tasks ask for identities. Its tasks
 * are created inside the engine, without a call that could be judged (42), so all that a container is
 * judged by is judged here, and what was decided is recorded; task-birth.ts compares each task with it.
 */

import { posix } from 'node:path';
import { ourRuntimes } from '#common/protocol/engine-runtimes.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { AUTO_NAME } from '#common/protocol/auto-names.ts';
import type { Authorization, AuthorizeRequest } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import { authorizeRequestOf, rootByName } from '../authz/birth.ts';
import { parseMounts, type MountSpec } from '../authz/create-body.ts';
import { asList, asString, stringMap, structFields, type Fields } from '../authz/go-struct.ts';
import { checkReservedPlace } from '../authz/identity-mount.ts';
import { COMMON_NAME_LABEL, hasIdentityLabels, identityLabelsOf, parseIdentityLabels, refuseAlmostLabels, withImageLabels } from '../authz/labels.ts';
import { ownershipOf, type OwnerDeps } from '../authz/ownership.ts';
import { checkPrivileges } from '../authz/privileges.ts';
import type { EngineRuntimes } from '../authz/engine-runtimes.ts';
import { agentNeedsRuntime } from '../authz/runtimes.ts';
import type { EngineCall } from '../authz/engine-call.ts';
import type { EngineImage } from '../docker.ts';
import { factsOfCreate, namesFacts } from '../policy/container-facts.ts';
import type { Judge } from '../policy/judge.ts';
import { mountOption, namesUs, type Self } from '../self.ts';
import type { ServiceSpec } from '../records-services.ts';
import { namesOfTasks } from './task-names.ts';

export interface ServiceBirthDeps extends OwnerDeps {
	readonly self: () => Promise<Self>;
	readonly engine: { image(reference: string): Promise<EngineImage | undefined> };
	readonly runtimes: Pick<EngineRuntimes, 'ask'>;
	readonly ca: { authorize(request: AuthorizeRequest): Promise<Authorization> };
	readonly records: { hasVolume(name: string): boolean };
	readonly policy: Judge;
	/** O of every name on this node */
	readonly environment: () => string;
}

/** Where a service's configs and secrets are mounted that do not say so. */
const FILE_ROOTS = { configs: '/', secrets: '/run/secrets' } as const;

/**
 * Decides, and stores nothing anywhere.
 *
 * @param service the body of the request
 * @returns what its tasks are to be compared with; undefined for a service that asks for nothing of ours
 * @throws BirthmarkError when the service may not be created
 */
export async function judgeService(deps: ServiceBirthDeps, service: Fields, call: Pick<EngineCall, 'caller'>): Promise<ServiceSpec | undefined> {
	const task = structFields(service.get('tasktemplate'), 'TaskTemplate');
	const container = structFields(task.get('containerspec'), 'ContainerSpec');
	const self = await deps.self();
	const name = asString(service.get('name'), 'Name');
	const own = stringMap(service.get('labels'), 'Labels');
	refuseAlmostLabels(own);
	if (hasIdentityLabels(own)) {
		throw new BirthmarkError('label-illegal', 'birthmark labels of a service belong to its containers; use --container-label instead of --label');
	}
	const reference = asString(container.get('image'), 'ContainerSpec.Image');
	const image = reference === '' ? undefined : await deps.engine.image(reference);
	const labels = withImageLabels(stringMap(container.get('labels'), 'ContainerSpec.Labels'), image);
	refuseAlmostLabels(labels);
	const mounts = parseMounts(container.get('mounts'), 'ContainerSpec.Mounts');
	const ours = mounts.filter((mount) => namesUs(self, mount.driver) || (mount.source !== '' && deps.records.hasVolume(mount.source)));
	if (ours.length === 0 && !hasIdentityLabels(labels)) return undefined;
	if (ours.length === 0) await checkRuntime(deps, self, mounts, fileTargets(container));
	else checkServiceMount(self, mounts, ours, fileTargets(container));
	if (!image) throw new BirthmarkError('not-found', `the engine does not have the image ${quote(reference)}, which decides with the service; pull it first (docker pull ${quote(reference)})`);
	const [auto, ...others] = labels.get(COMMON_NAME_LABEL) === AUTO_NAME ? await namesOfTasks(service, name, async () => (await deps.runtimes.ask()).Swarm?.NodeID) : [];
	const identity = parseIdentityLabels(labels, auto);
	if (!identity) {
		throw new BirthmarkError('label-missing', 'the birthmark volume is mounted without a name for the containers of the service; add --container-label birthmark.cn=NAME');
	}
	if (ours.length > 0 && identity.agentMode === 'exec' && !ourRuntimes(await deps.runtimes.ask()).isDefault) throw agentNeedsRuntime('make birthmark-runtime the engine\'s default runtime');
	const user = asString(container.get('user'), 'User');
	const capAdd = strings(container, 'capabilityadd');
	checkPrivileges({ privileged: false, capAdd });
	const ownership = await ownershipOf(deps, identity, user, image);
	const asked = { image: reference, user, networkMode: '', networks: networksOf(service, task), binds: [], mounts, capAdd };
	const facts = factsOfCreate(asked, image, { ...namesFacts(identity.names), organization: deps.environment(), name, service: name, ...(await rootByName(deps, user, image)) });
	for (const names of [identity.names, ...others.map(({ commonName }) => ({ ...identity.names, commonName }))]) {
		await deps.policy.check(call, 'run', { container: { ...facts, ...namesFacts(names) } });
		await deps.ca.authorize({ ...authorizeRequestOf({ ...identity, names }, reference, image.Id), dryRun: true, ...(name !== '' && { containerName: name }) });
	}
	return { caller: call.caller, facts, labels: identityLabelsOf(labels), ...identity, image: reference, imageId: image.Id, ...ownership };
}

/** @throws BirthmarkError `mount-missing` or `mount-illegal` */
function checkServiceMount(self: Self, mounts: readonly MountSpec[], ours: readonly MountSpec[], files: readonly string[]): void {
	const [mount, ...more] = ours;
	if (!mount) return;
	if (more.length > 0) throw new BirthmarkError('mount-illegal', 'a container has one identity; mount the birthmark driver once');
	if (mount.type !== 'volume') throw new BirthmarkError('mount-illegal', `the birthmark driver serves volumes only; use ${mountOption(self)}`);
	if (mount.source !== '') throw new BirthmarkError('mount-illegal', `each task needs a volume of its own, without a name; use ${mountOption(self)}`);
	if (mount.driverOptions.size > 0) throw new BirthmarkError('mount-illegal', 'the birthmark driver has no volume options; use labels');
	if (mount.subpath !== '') throw new BirthmarkError('mount-illegal', `an identity is mounted whole, not its directory ${quote(mount.subpath)}; leave volume-subpath out`);
	if (posix.resolve('/', mount.target) !== IDENTITY_DIRECTORY) {
		throw new BirthmarkError('mount-illegal', `an identity is mounted at ${IDENTITY_DIRECTORY}, not at ${quote(mount.target)}; use ${mountOption(self)}`);
	}
	checkPlace(mounts.filter((other) => other !== mount), files);
}

/** Tasks start with the engine's default runtime: it hands the identity over, if it is ours. */
async function checkRuntime({ runtimes }: ServiceBirthDeps, self: Self, mounts: readonly MountSpec[], files: readonly string[]): Promise<void> {
	const { names, isDefault } = ourRuntimes(await runtimes.ask());
	if (isDefault) return checkPlace(mounts, files);
	const remedy = names.length > 0 ? 'make birthmark-runtime the engine\'s default runtime' : 'set the runtime up as the engine\'s default (birthmark engine setup --default)';
	throw new BirthmarkError('mount-missing', `the service has birthmark labels, but not the volume that carries an identity; add ${mountOption(self)}, or ${remedy}`);
}

/** As checkReservedPlace of a container; a template says nothing of where it leads. */
function checkPlace(mounts: readonly MountSpec[], files: readonly string[]): void {
	checkReservedPlace({ mounts, binds: [], otherTargets: files });
	const inside = [...mounts.map(({ target }) => target), ...files].find((target) => target.includes('{{'));
	if (inside !== undefined) {
		throw new BirthmarkError('mount-illegal', `nothing may be mounted where only a template says (here: ${quote(inside)}), which could be at or below ${IDENTITY_DIRECTORY}; write it out`);
	}
}

/** Names or ids, as they were written; those of the service itself are how old clients write it. */
function networksOf(service: Fields, task: Fields): string[] {
	return [service, task].flatMap((fields) => asList(fields.get('networks'), 'Networks').map((network) => asString(structFields(network, 'Networks').get('target'), 'Target')));
}

function strings(fields: Fields, name: string): string[] {
	return asList(fields.get(name), name).map((item) => asString(item, name));
}

/** Where configs and secrets appear in the containers. */
function fileTargets(container: Fields): string[] {
	return Object.entries(FILE_ROOTS).flatMap(([kind, root]) =>
		asList(container.get(kind), kind).map((entry) => posix.resolve(root, asString(structFields(structFields(entry, kind).get('file'), 'File').get('name'), 'File.Name'))),
	);
}
