/** What a policy is told about a container: from the request that makes it, from our records, from the engine's list. */

import { posix } from 'node:path';
import { parseImageName } from '#common/policy/image-name.ts';
import { NO_FACTS, NO_IMAGE, type ContainerFacts, type ImageFacts } from '#common/policy/request.ts';
import { capabilityFact, pathFact, userFact } from '#common/policy/spelling.ts';
import { namesOfContainer } from '#common/protocol/auto-names.ts';
import type { Names } from '#common/protocol/messages.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import { ownName } from '../authz/auto-name.ts';
import type { CreateBody } from '../authz/create-body.ts';
import { parseIdentityLabels } from '../authz/labels.ts';
import type { EngineContainer, EngineImage } from '../docker.ts';

/** What a request tells, to make a container or the tasks of a service. */
export type AskedContainer = Pick<CreateBody, 'image' | 'user' | 'networkMode' | 'networks' | 'binds' | 'mounts' | 'capAdd'>;

/** Of a container that is to be made. @param more names of an identity, name of the container, powers, … */
export function factsOfCreate(body: AskedContainer, image: EngineImage | undefined, more: Partial<ContainerFacts> = {}): ContainerFacts {
	const sources = mountSources(body);
	const network = body.networkMode || 'default';
	return {
		...NO_FACTS,
		image: imageFacts(body.image, image),
		user: userFact(body.user || image?.Config?.User || ''),
		network,
		networks: [...new Set([network, ...body.networks.filter((name) => name !== '')])],
		binds: sources.filter((source) => source.startsWith('/')),
		volumes: sources.filter((source) => !source.startsWith('/')),
		capabilities: [...new Set(body.capAdd.map(capabilityFact))],
		...more,
	};
}

/** Of one in the engine's list; its labels say which identity it asked for. */
export function factsOfContainer(container: EngineContainer): ContainerFacts {
	const { Id, Image, ImageID, Labels } = container;
	const name = ownName(container);
	return {
		...NO_FACTS,
		...claimedNames(Labels ?? {}, name),
		name,
		id: Id,
		image: { ...NO_IMAGE, reference: Image, ...parseImageName(Image), id: ImageID },
	};
}

/** What the labels claim, as far as it is a name at all: nobody judged those of a container that was made while the plugin was away. */
function claimedNames(claimed: Readonly<Record<string, string>>, name: string): Partial<ContainerFacts> {
	try {
		const labels = new Map(Object.entries(claimed));
		const names = parseIdentityLabels(labels, namesOfContainer(name, labels))?.names;
		return names ? namesFacts(names) : {};
	} catch {
		return {};
	}
}

export function namesFacts({ commonName, organizationalUnit, dnsNames }: Names): Pick<ContainerFacts, 'commonName' | 'organizationalUnit' | 'dnsNames'> {
	return { commonName, organizationalUnit, dnsNames };
}

function imageFacts(reference: string, image: EngineImage | undefined): ImageFacts {
	const { repository, tag, digests } = parseImageName(reference);
	// What the engine has counts, not what was asked for.
	const known = image?.RepoDigests?.map((name) => name.slice(name.indexOf('@') + 1)) ?? [];
	return { reference, repository, tag, id: image?.Id ?? '', digests: image ? [...new Set(known)] : digests };
}

/** Of all mounts that have one, without the volume that carries the identity. */
function mountSources({ binds, mounts }: Pick<CreateBody, 'binds' | 'mounts'>): string[] {
	const all = [...binds.map((bind) => bind.split(':')).map(([source = '', target = '']) => ({ source, target })), ...mounts];
	const told = all.filter(({ source, target }) => source !== '' && (source.startsWith('/') || posix.resolve('/', target) !== IDENTITY_DIRECTORY));
	return [...new Set(told.map(({ source }) => (source.startsWith('/') ? pathFact(source) : source)))];
}
