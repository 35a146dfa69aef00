/** The provisioning library as a testcontainers module: a container that is born with an identity. */

import { GenericContainer, getContainerRuntimeClient } from 'testcontainers';
import { imageCommand } from './docker.ts';
import type { ContainerIdentity } from './identity-labels.ts';
import { addIdentity, type ProvisionSettings } from './provision.ts';

/**
 *     const api = await new IdentityContainer('my/api', { commonName: 'api01', organizationalUnit: 'web-api' })
 *         .withExposedPorts(8443)
 *         .start();
 *
 * Everything else is as with any GenericContainer; the engine needs the plugin.
 */
export class IdentityContainer extends GenericContainer {
	readonly #identity: ContainerIdentity;
	readonly #settings: ProvisionSettings;
	#isProvisioned = false;

	constructor(image: string, identity: ContainerIdentity, settings: ProvisionSettings = {}) {
		super(image);
		this.#identity = identity;
		this.#settings = settings;
	}

	/** Called by testcontainers when the image is there and the options are complete but for its own labels. */
	protected override async beforeContainerCreated(): Promise<void> {
		// The options keep what was added: a second start of the same description finds them complete.
		if (this.#isProvisioned) return;
		const { container } = await getContainerRuntimeClient();
		const image = await imageCommand(container.dockerode, this.imageName.string);
		const { HostConfig, ...options } = addIdentity({ ...this.createOpts, HostConfig: this.hostConfig }, image, this.#identity, this.#settings);
		this.createOpts = options;
		this.hostConfig = { ...HostConfig };
		this.#isProvisioned = true;
	}
}
