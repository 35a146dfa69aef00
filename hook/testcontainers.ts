/** The provisioning library for testcontainers: any container of it is born with an identity. */

import { GenericContainer, getContainerRuntimeClient } from 'testcontainers';
import { ourRuntimes, type EngineRuntimes } from '#common/protocol/engine-runtimes.ts';
import { imageCommand, type ContainerCreateOptions, type Engine, type HostConfig } from './docker.ts';
import type { ContainerIdentity } from './identity-labels.ts';
import { addIdentity, type ProvisionSettings } from './provision.ts';

export { startBirthmark, type BirthmarkEnvironment, type BirthmarkOptions } from './environment.ts';
export type { ContainerIdentity, ProvisionSettings };

/** The same in short: `{ cn: 'db01' }`. */
export type ShortIdentity = Omit<ContainerIdentity, 'commonName' | 'organizationalUnit' | 'dnsNames'> & {
	readonly cn: string;
	readonly ou?: string;
	readonly dns?: readonly string[];
};

/** What testcontainers keeps in a description until it is started; protected, because only its own classes are meant to use it. */
interface Description {
	createOpts: ContainerCreateOptions;
	hostConfig: HostConfig;
	readonly imageName: { readonly string: string };
	/** called when the image is there and the options are complete but for testcontainers' own labels */
	beforeContainerCreated?(): Promise<void>;
}

/**
 *     const db = await withIdentity(new PostgreSqlContainer('postgres:18'), { cn: 'db01' }).start();
 *
 * For a description of any class. On an engine with birthmark-runtime it gets labels and that runtime;
 * elsewhere labels, the volume, and the agent in front of its program. The image must be one that says
 * what it runs, or the description must.
 *
 * @returns the same description
 */
export function withIdentity<C extends GenericContainer>(container: C, identity: ContainerIdentity | ShortIdentity, settings: ProvisionSettings = {}): C {
	const description = container as unknown as Description;
	const before = description.beforeContainerCreated?.bind(container);
	const whole = 'cn' in identity ? spellOut(identity) : identity;
	let isProvisioned = false;
	description.beforeContainerCreated = async () => {
		await before?.();
		// The options keep what was added: a second start of the same description finds them complete.
		if (isProvisioned) return;
		const { container: engine } = await getContainerRuntimeClient();
		const { createOpts, hostConfig, imageName } = description;
		const runtime = settings.runtime ?? (await runtimeOf(engine.dockerode, hostConfig.Runtime));
		const image = runtime === undefined ? await imageCommand(engine.dockerode, imageName.string) : {};
		const { HostConfig, ...options } = addIdentity({ ...createOpts, HostConfig: hostConfig }, image, whole, { ...settings, ...(runtime !== undefined && { runtime }) });
		description.createOpts = options;
		description.hostConfig = { ...HostConfig };
		isProvisioned = true;
	};
	return container;
}

/** A description that is of no other class. */
export class IdentityContainer extends GenericContainer {
	constructor(image: string, identity: ContainerIdentity | ShortIdentity, settings: ProvisionSettings = {}) {
		super(image);
		withIdentity(this, identity, settings);
	}
}

/** @returns the name of birthmark-runtime on this engine; undefined where it is not, and for containers that want another one */
async function runtimeOf(engine: Engine, chosen: string | undefined): Promise<string | undefined> {
	const { names } = ourRuntimes((await engine.info()) as EngineRuntimes);
	return chosen ? names.find((name) => name === chosen) : names[0];
}

function spellOut({ cn, ou, dns, ...rest }: ShortIdentity): ContainerIdentity {
	return { commonName: cn, ...(ou !== undefined && { organizationalUnit: ou }), ...(dns && { dnsNames: dns }), ...rest };
}
