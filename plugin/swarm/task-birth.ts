/**
 * The birth of a task of a service. The engine makes its container without asking anybody and then
 * mounts its volume, which belongs to nobody yet: the container that has it is compared with what was
 * decided when its service was created or updated, and gets its identity.
 *
 * That it is a task at all is the engine's word, not that of its labels, which anybody can write (43).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { NO_FACTS } from '#common/policy/request.ts';
import { defaultAgentMode } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Names } from '#common/protocol/messages.ts';
import { checkName, quote } from '#common/protocol/names.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import { authorizeRequestOf, giveBirth, type BirthDeps } from '../authz/birth.ts';
import { isWithin } from '../authz/host-paths.ts';
import { identityLabelsOf } from '../authz/labels.ts';
import type { EngineContainer, EngineTask } from '../docker.ts';
import { namesFacts } from '../policy/container-facts.ts';
import type { Judge } from '../policy/judge.ts';
import type { IdentityRecord } from '../records.ts';
import { namesUs, type Self } from '../self.ts';
import type { ServiceRecords, ServiceSpec } from '../records-services.ts';
import { namesOfOneTask } from './task-names.ts';
import type { Holder } from '../volume/who-starts.ts';

export interface TaskBirthDeps extends BirthDeps {
	readonly self: () => Promise<Self>;
	readonly engine: { task(id: string): Promise<EngineTask | undefined>; serviceName(id: string): Promise<string | undefined> };
	readonly containersOf: (holder: Holder) => Promise<readonly EngineContainer[]>;
	readonly records: BirthDeps['records'] & { identities(): readonly IdentityRecord[]; readonly services: Pick<ServiceRecords, 'specs'> };
	readonly policy: Judge;
	/** how long a task may be ahead of the record of its service */
	readonly patienceMs?: number;
}

const SERVICE_LABEL = 'com.docker.swarm.service.id';
const SERVICE_NAME_LABEL = 'com.docker.swarm.service.name';
const TASK_LABEL = 'com.docker.swarm.task.id';
/** The engine answers who created a service after it has begun with the tasks. */
const PATIENCE_MS = 5_000;
const STEP_MS = 50;
/** Desired states of a task that is meant to run or to be ready for it. */
const MEANT_TO_RUN: readonly string[] = ['ready', 'running', 'complete', 'completed'];

/**
 * @param holder of an identity that nobody has yet
 * @returns false when it is not that of a task
 * @throws BirthmarkError when it is, and the task gets no identity
 */
export async function bindTask(deps: TaskBirthDeps, holder: Holder): Promise<boolean> {
	const { volume, delivery } = holder;
	const [container, ...more] = await deps.containersOf(holder);
	const serviceId = container?.Labels?.[SERVICE_LABEL];
	const taskId = container?.Labels?.[TASK_LABEL];
	if (!container || more.length > 0 || serviceId === undefined || taskId === undefined) return false;
	const task = await checkTask(deps, container, serviceId, taskId);
	checkMounts(await deps.self(), container, holder);
	const found = await findSpec(deps, container, serviceId);
	const spec = found.isAuto ? { ...found, names: await ownNames(deps, found, task) } : found;
	const containerName = container.Names?.[0]?.slice(1) ?? '';
	// What was permitted to whoever made the service must be permitted still.
	await deps.policy.check(spec, 'run', { container: { ...NO_FACTS, ...spec.facts, ...namesFacts(spec.names), name: containerName, id: container.Id } });
	const asked = { ...authorizeRequestOf(spec, spec.image, container.ImageID), containerId: container.Id, ...(containerName !== '' && { containerName }) };
	const { names, uid, gid, mode, sizeBytes, inodes, caWay, agentMode = defaultAgentMode(delivery), settings = {} } = spec;
	await giveBirth(deps, asked, { volume, containerName, imageId: container.ImageID, ...names, uid, gid, mode, sizeBytes, inodes, caWay, delivery, agentMode, settings, taskId });
	return true;
}

/** The engine itself must know such a task of this service, for no other container. */
async function checkTask({ engine, records }: TaskBirthDeps, container: EngineContainer, serviceId: string, taskId: string): Promise<EngineTask> {
	const task = await engine.task(taskId);
	const itsContainer = task?.Status?.ContainerStatus?.ContainerID;
	const isReal = task?.ServiceID === serviceId && MEANT_TO_RUN.includes(task.DesiredState ?? '') && (!itsContainer || itsContainer === container.Id);
	const isTaken = records.identities().some((identity) => identity.taskId === taskId && identity.containerId !== container.Id);
	if (isReal && !isTaken) return task;
	throw new BirthmarkError('identity-isolated', `the container ${container.Id.slice(0, 12)} says that it is the task ${quote(taskId)} of a service, and is not; labels of Swarm cannot be set by hand`);
}

/**
 * `birthmark.cn=auto`: by the service's name as the engine has it. One that an update asked for, which
 * the engine then refused, is not it.
 */
async function ownNames({ engine }: Pick<TaskBirthDeps, 'engine'>, { names, facts }: ServiceSpec, task: EngineTask): Promise<Names> {
	const service = await engine.serviceName(task.ServiceID);
	if (service === undefined || service !== facts.service) throw noSpec(service ?? task.ServiceID, true, false);
	return { ...names, commonName: checkName('common name', namesOfOneTask(service, task).commonName) };
}

/** As checkIdentityMount of a container that is created. */
function checkMounts(self: Self, container: EngineContainer, { volume, delivery }: Holder): void {
	const mounts = container.Mounts ?? [];
	const mount = mounts.find(({ Destination }) => Destination === IDENTITY_DIRECTORY);
	if (delivery === 'volume' && (mount?.Name !== volume || !namesUs(self, mount.Driver ?? ''))) {
		throw new BirthmarkError('mount-illegal', `the task does not mount its identity at ${IDENTITY_DIRECTORY}`);
	}
	const inside = mounts.find((other) => (delivery === 'runtime' || other !== mount) && isWithin(other.Destination, IDENTITY_DIRECTORY));
	if (inside) throw new BirthmarkError('mount-illegal', `the image mounts a volume of its own at ${quote(inside.Destination)}, where the identity is; use an image without`);
}

/** @throws BirthmarkError `volume-unknown` or `image-changed` with the remedy */
async function findSpec({ records, patienceMs = PATIENCE_MS }: TaskBirthDeps, container: EngineContainer, serviceId: string): Promise<ServiceSpec> {
	const labels = JSON.stringify(identityLabelsOf(new Map(Object.entries(container.Labels ?? {}))));
	const name = container.Labels?.[SERVICE_NAME_LABEL] ?? serviceId;
	const end = performance.now() + patienceMs;
	for (;;) {
		const specs = records.services.specs(serviceId);
		const alike = specs.filter((spec) => JSON.stringify(spec.labels) === labels);
		const spec = alike.find(({ imageId }) => imageId === container.ImageID);
		if (spec) return spec;
		if (performance.now() > end) throw noSpec(name, specs.length > 0, alike.length > 0);
		await sleep(STEP_MS);
	}
}

function noSpec(service: string, isKnown: boolean, isOtherImage: boolean): BirthmarkError {
	const remedy = `docker service update --force ${service}`;
	if (isOtherImage) return new BirthmarkError('image-changed', `the task has another image than the one that was authorized for the service ${quote(service)}; to take it up: ${remedy}`);
	if (isKnown) return new BirthmarkError('volume-unknown', `the task has other labels than the service ${quote(service)} was authorized with; run ${remedy}`);
	return new BirthmarkError('volume-unknown', `nobody asked this node whether the service ${quote(service)} may have an identity: tasks get one on the node where the service was created or updated while the plugin ran; run ${remedy} there, and constrain the service to it`);
}
