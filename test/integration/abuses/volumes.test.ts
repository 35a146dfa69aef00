/** Abuses 23–28: reaching the volume of an identity from another container. */

import { abuse, refused } from '../../support/abuse.ts';

abuse(23, 'another container mounts the volume by name', refused('identity-isolated'), async (t, scene) => {
	const { volume } = await scene.victim(t);
	await scene.refusesCreate(t, { HostConfig: { Binds: [`${volume}:/x`] } });
	await scene.refusesCreate(t, { HostConfig: { Binds: [`${volume}:/x:ro`] } });
	await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'volume', Source: volume, Target: '/x', ReadOnly: true }] } });
	await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'volume', Source: volume, Target: '/x', VolumeOptions: { Subpath: 'identity.pem' } }] } });
});
