/**
 * The birth of an identity: `POST /containers/create` of a labelled container, before the engine acts
 * (may it have this name?) and after (bind the name to the container's id, once and durably).
 *
 * The two halves share nothing but the request body, which the engine shows both times: a crash
 * between them leaves a container without an identity, whose start is refused. A crash after the CA
 * was asked leaves a record that it was, and what it authorized is ended.
 */

import { defaultAgentMode, type Delivery } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Names } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';
import { SENTINEL_VOLUME } from '#common/protocol/plugin-status.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import type { EngineContainer, EngineContainerDetails, EngineImage, EngineInfo } from '../docker.ts';
import { factsOfCreate, namesFacts } from '../policy/container-facts.ts';
import type { Judge } from '../policy/judge.ts';
import { haveSameNames, type Records } from '../records.ts';
import { namesUs, type Self } from '../self.ts';
import { authorizeRequestOf, giveBirth, rootByName, type BirthDeps } from './birth.ts';
import { autoNamesOf, autoNamesOfNew, nameAskedFor } from './auto-name.ts';
import type { CreateBody } from './create-body.ts';
import { isWithin } from './host-paths.ts';
import { checkIdentityMount, checkReservedPlace, identityMounts, mountMissing } from './identity-mount.ts';
import type { EngineCall } from './engine-call.ts';
import { checkPrivileges } from './privileges.ts';
import { containerState } from './labelled-containers.ts';
import { ownershipOf, type OwnerDeps } from './ownership.ts';
import { refuseSwarmLabels } from './swarm-labels.ts';
import type { EngineRuntimes } from './engine-runtimes.ts';
import type { Remembered } from './remembered.ts';
import { agentNeedsRuntime, isOurRuntime, runtimeOption } from './runtimes.ts';
import { hasIdentityLabels, parseIdentityLabels, withImageLabels, type IdentityLabels } from './labels.ts';

export interface IdentityCreateDeps extends BirthDeps, OwnerDeps {
	readonly self: () => Promise<Self>;
	readonly engine: {
		image(reference: string): Promise<EngineImage | undefined>;
		/** of a container that exists: what it was when it was last looked at */
		imageById(id: string): Promise<EngineImage | undefined>;
		containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]>;
		inspect(reference: string, isNew?: boolean): Promise<EngineContainerDetails | undefined>;
	};
	readonly records: BirthDeps['records'] & Pick<Records, 'hasVolume' | 'identitiesOf'>;
	readonly runtimes: EngineRuntimes;
	readonly policy: Judge;
	/** O of every name on this node; empty before it has joined */
	readonly environment: () => string;
	/**
	 * References of images whose own labels ask for an identity that the runtime hands over, seen before a container
	 * was created of them: by the request alone nobody sees afterwards that it has labels.
	 */
	readonly imagesForRuntime: Remembered;
	/** ids of containers for which the engine has written our runtime down, for good */
	readonly withOurRuntime: Remembered;
	/** a container that had this volume is gone */
	readonly forgetContainer: (volume: string, containerId: string) => Promise<void>;
}

/**
 * Before: decides, and stores nothing anywhere.
 *
 * @param image of the container; undefined when the engine does not have it
 * @returns the names of its identity; undefined when it asks for none
 * @throws BirthmarkError when the container may not be created
 */
export async function checkIdentityCreate(deps: IdentityCreateDeps, call: EngineCall, body: CreateBody, image: EngineImage | undefined): Promise<Names | undefined> {
	const self = await deps.self();
	const containerName = nameAskedFor(call);
	const asked = withImageLabels(body.labels, image);
	const identity = parseIdentityLabels(asked, await autoNamesOf(deps, containerName, asked));
	const isOurs = (volume: string): boolean => isOurVolume(deps, volume);
	if (!identity) {
		const mounts = identityMounts(self, body, isOurs);
		const taken = mounts.find(({ source }) => deps.records.identitiesOf(source).length > 0);
		if (taken) {
			throw new BirthmarkError('identity-isolated', `the volume ${quote(taken.source)} holds the identity of a container; no other container may mount it`);
		}
		// The labels may be those of an image that is still to be pulled.
		if (mounts.length === 0 || !image) return undefined;
		throw new BirthmarkError(
			'label-missing',
			'the birthmark volume is mounted without a name for the container; add --label birthmark.cn=NAME',
		);
	}
	checkPrivileges(body);
	if ((await decideDelivery(deps, self, body, identity)) === 'volume') {
		const volume = checkIdentityMount(self, body, isOurs);
		if (volume !== '') await checkOwner(deps, volume, identity);
	} else if (!hasIdentityLabels(body.labels)) deps.imagesForRuntime.remember(body.image);
	if (!image) return identity.names;
	await ownershipOf(deps, identity, body.user, image, body.usernsMode);
	await checkRun(deps, call, identity, body, image, containerName);
	await deps.ca.authorize({ ...authorizeRequestOf(identity, body.image, image.Id), dryRun: true, ...(containerName !== '' && { containerName }) });
	return identity.names;
}

/**
 * After the engine created the container: authorizes its id and records the volume.
 *
 * @throws BirthmarkError when the identity could not be given; the container exists and stays without
 */
export async function bindIdentity(deps: IdentityCreateDeps, call: EngineCall, body: CreateBody, containerId: string): Promise<void> {
	const self = await deps.self();
	const isOurs = (volume: string): boolean => isOurVolume(deps, volume);
	const isByVolume = identityMounts(self, body, isOurs).length > 0;
	if (!isByVolume && !hasIdentityLabels(body.labels) && !deps.imagesForRuntime.has(body.image)) return;
	// Not looked at before if the image, with the labels, came only in between.
	if (isByVolume) checkIdentityMount(self, body, isOurs);
	const container = await deps.engine.inspect(containerId, true);
	if (container?.Id !== containerId) throw new BirthmarkError('engine-unavailable', 'the engine does not show the new container');
	// One that nobody asked for, from another container or the image, is no mount of its own.
	const mount = isByVolume ? container.Mounts?.find((candidate) => candidate.Destination === IDENTITY_DIRECTORY && namesUs(self, candidate.Driver ?? '')) : undefined;
	if (isByVolume && !mount?.Name) throw new BirthmarkError('mount-missing', 'the engine shows no birthmark volume in the new container');
	// The labels that it really has: the image may be another one than that of the decision before.
	const labels = new Map(Object.entries(container.Config.Labels ?? {}));
	// An image that was remembered has been built without them since.
	if (!isByVolume && !hasIdentityLabels(body.labels) && !hasIdentityLabels(labels)) return;
	checkPrivileges(body);
	refuseSwarmLabels(labels);
	const containerName = container.Name.slice(1);
	const identity = parseIdentityLabels(labels, await autoNamesOfNew(deps, call, containerName, labels));
	if (!identity) throw new BirthmarkError('label-missing', 'neither the container nor its image has birthmark labels');
	// Empty where it is left open: 20.10 takes it from its settings at the first start when a request has no HostConfig.
	const runtime = container.HostConfig.Runtime ?? '';
	const delivery = await checkDelivery(deps, self, isByVolume ? body : { ...body, runtime }, identity, deps.runtimes.known);
	if (delivery === 'runtime' && runtime !== '') deps.withOurRuntime.remember(containerId);
	// The image may declare volumes of its own (34).
	const inside = container.Mounts?.find((other) => other !== mount && isWithin(other.Destination, IDENTITY_DIRECTORY));
	if (inside) throw new BirthmarkError('mount-illegal', `another volume, perhaps the image's own, is mounted at ${quote(inside.Destination)}, where the identity is; use an image without`);
	const image = await deps.engine.imageById(container.Image);
	if (!image) throw new BirthmarkError('engine-unavailable', 'the engine no longer has the image of the new container');
	const ownership = await ownershipOf(deps, identity, body.user, image, body.usernsMode);
	// Decided on before, perhaps by rules that have changed.
	await checkRun(deps, call, identity, body, image, containerName, containerId);
	const asked = { ...authorizeRequestOf(identity, body.image, image.Id), containerId, ...(containerName !== '' && { containerName }) };
	const { names, sizeBytes, inodes, caWay, agentMode = defaultAgentMode(delivery) } = identity;
	const volume = mount?.Name ?? containerId;
	await giveBirth(deps, asked, { volume, containerName, imageId: image.Id, ...names, ...ownership, sizeBytes, inodes, caWay, delivery, agentMode });
}

/** What may have been true a moment ago will do for a yes, which is looked at again after the container was created. */
async function decideDelivery(deps: IdentityCreateDeps, self: Self, body: CreateBody, identity: IdentityLabels): Promise<Delivery> {
	try {
		return await checkDelivery(deps, self, body, identity, deps.runtimes.known);
	} catch {
		return checkDelivery(deps, self, body, identity, deps.runtimes.ask);
	}
}

/**
 * By its volume if it mounts one, else by the runtime, which must be ours: with another one it would start
 * without an identity.
 *
 * @throws BirthmarkError `mount-missing`, `mount-illegal`, `label-illegal`
 */
async function checkDelivery(deps: IdentityCreateDeps, self: Self, body: CreateBody, { agentMode }: IdentityLabels, ask: () => Promise<EngineInfo>): Promise<Delivery> {
	const isByVolume = identityMounts(self, body, (volume) => isOurVolume(deps, volume)).length > 0;
	if (isByVolume && agentMode !== 'exec') return 'volume';
	const info = await ask();
	if (!isOurRuntime(info, body.runtime)) {
		if (!isByVolume) throw mountMissing(self, runtimeOption(info));
		throw agentNeedsRuntime(runtimeOption(info));
	}
	if (!isByVolume) checkReservedPlace(body);
	return isByVolume ? 'volume' : 'runtime';
}

/** @throws BirthmarkError `policy-refused` when this caller may not have this name for this container */
async function checkRun(deps: IdentityCreateDeps, call: EngineCall, identity: IdentityLabels, body: CreateBody, image: EngineImage, name: string, id = ''): Promise<void> {
	const facts = { ...namesFacts(identity.names), organization: deps.environment(), name, id, ...(await rootByName(deps, body.user, image)) };
	await deps.policy.check(call, 'run', { container: factsOfCreate(body, image, facts) });
}

/**
 * A volume with a name belongs to one container. Another one may take its place if it asks for the
 * same names, as it does when a container is made anew before the old one is removed.
 */
async function checkOwner(deps: IdentityCreateDeps, volume: string, { names }: IdentityLabels): Promise<void> {
	for (const owner of deps.records.identitiesOf(volume)) {
		if ((await containerState(deps, owner.containerId)) === 'gone') await deps.forgetContainer(volume, owner.containerId);
		else if (!haveSameNames(owner, names)) {
			throw new BirthmarkError(
				'identity-isolated',
				`the volume ${quote(volume)} holds the identity of ${quote(owner.commonName)} (container ${owner.containerId.slice(0, 12)}); give each container a volume of its own`,
			);
		}
	}
}

/** The sentinel also while it is not made yet: somebody else's volume of that name would keep it from being made. */
function isOurVolume({ records }: Pick<IdentityCreateDeps, 'records'>, name: string): boolean {
	return name === SENTINEL_VOLUME || records.hasVolume(name);
}
