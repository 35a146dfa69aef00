/**
 * The start of a labelled container that nothing gives an identity: it neither mounts the volume, whose Mount
 * would judge it, nor has our runtime, which would. Such a one was created while nobody judged it (46), or its
 * runtime was left open until now, and would run without an identity, and without a word.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import type { EngineContainer } from '../docker.ts';
import { ownName } from './auto-name.ts';
import { mountOption, namesUs } from '../self.ts';
import type { AuthorizerDeps } from './rule.ts';
import { isOurRuntime, runtimeOption } from './runtimes.ts';

type GivenDeps = Pick<AuthorizerDeps, 'self' | 'engine' | 'runtimes' | 'withOurRuntime'>;

/** @param reference of the container that is to be started @throws BirthmarkError `mount-missing` */
export async function checkLabelledStart(deps: GivenDeps & Pick<AuthorizerDeps, 'lookup' | 'records'>, reference: string): Promise<void> {
	const isKnown = (id: string): boolean => deps.withOurRuntime.has(id) || deps.records.identityOfContainer(id)?.delivery === 'volume';
	if (isKnown(reference)) return;
	const container = await deps.lookup.labelled(reference, true);
	if (!container || isKnown(container.Id) || (await isGivenIdentity(deps, container))) return;
	const ways = `${mountOption(await deps.self())}, or ${runtimeOption(await deps.runtimes.known())}`;
	throw new BirthmarkError('mount-missing', `the container ${quote(ownName(container) || container.Id.slice(0, 12))} has birthmark labels and would start without an identity: nothing gives it one with the runtime that it has; remove it, and create it again with ${ways}`);
}

/** True for a container whose start our volume or our runtime judges. @throws BirthmarkError `engine-unavailable` */
async function isGivenIdentity({ self, engine, runtimes, withOurRuntime }: GivenDeps, { Id, Mounts }: Pick<EngineContainer, 'Id' | 'Mounts'>): Promise<boolean> {
	const us = await self();
	if (Mounts?.some(({ Destination, Driver }) => Destination === IDENTITY_DIRECTORY && namesUs(us, Driver ?? ''))) return true;
	const runtime = (await engine.inspect(Id))?.HostConfig.Runtime ?? '';
	const isOurs = isOurRuntime(await runtimes.known(), runtime);
	if (isOurs && runtime !== '') withOurRuntime.remember(Id);
	return isOurs;
}

/**
 * After a new container could not be given an identity: takes it away where its start would be nobody's to judge,
 * e.g. that by a restart policy when the engine itself starts.
 *
 * @returns true when it is gone
 */
export async function removeUngiven(deps: GivenDeps, containerId: string): Promise<boolean> {
	try {
		const [container] = await deps.engine.containers({ id: [containerId] });
		if (container?.Id !== containerId || (await isGivenIdentity(deps, container))) return false;
		await deps.engine.removeContainer(containerId);
		return true;
	} catch {
		// It stays then, and whoever made it is told that it will not start and how to remove it.
		return false;
	}
}
