/**
 * The start of a labelled container that nothing gives an identity: it neither mounts the volume, whose Mount
 * would judge it, nor has our runtime, which would. Such a one was created while nobody judged it (46), e.g.
 * while the plugin was off, and would run without an identity, and without a word.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import type { EngineContainer } from '../docker.ts';
import { mountOption, namesUs } from '../self.ts';
import type { AuthorizerDeps } from './rule.ts';
import { isOurRuntime, runtimeOption } from './runtimes.ts';

type GivenDeps = Pick<AuthorizerDeps, 'self' | 'engine' | 'runtimes'>;

/** @param reference of the container that is to be started @throws BirthmarkError `mount-missing` */
export async function checkLabelledStart(deps: GivenDeps & Pick<AuthorizerDeps, 'lookup' | 'records'>, reference: string): Promise<void> {
	// One with a record was looked at when it was created.
	const isRecorded = (id: string): boolean => deps.records.identityOfContainer(id) !== undefined;
	if (isRecorded(reference)) return;
	const container = await deps.lookup.labelled(reference, true);
	if (!container || isRecorded(container.Id) || (await isGivenIdentity(deps, container))) return;
	const ways = `${mountOption(await deps.self())}, or ${runtimeOption(await deps.runtimes.known())}`;
	throw new BirthmarkError('mount-missing', `the container ${quote(container.Names?.[0]?.slice(1) ?? container.Id.slice(0, 12))} has birthmark labels and would start without an identity: it was created when nobody looked at that; remove it, and create it again with ${ways}`);
}

/** True for a container whose start our volume or our runtime judges. @throws BirthmarkError `engine-unavailable` */
async function isGivenIdentity({ self, engine, runtimes }: GivenDeps, { Id, Mounts }: Pick<EngineContainer, 'Id' | 'Mounts'>): Promise<boolean> {
	const us = await self();
	if (Mounts?.some(({ Destination, Driver }) => Destination === IDENTITY_DIRECTORY && namesUs(us, Driver ?? ''))) return true;
	return isOurRuntime(await runtimes.known(), (await engine.inspect(Id))?.HostConfig.Runtime ?? '');
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
		return false;
	}
}
