/** Abuses 42, 43: Swarm, whose tasks no call of their own creates. */

import { abuse, json, refused } from '../../support/abuse.ts';

const service = (container: object): Uint8Array => json('POST /services/create', { Name: 'attacker', TaskTemplate: { ContainerSpec: { Image: 'test/busybox', ...container } } });

abuse(42, 'the tasks of a service mount an identity, or have power over the host', refused('identity-isolated', 'mount-illegal'), async (t, scene) => {
	const { volume, directory } = await scene.victim(t);
	const mount = (fields: object): object => ({ Mounts: [{ Target: '/x', ...fields }] });
	await scene.refuses(t, service(mount({ Type: 'volume', Source: volume })));
	await scene.refuses(t, service(mount({ Type: 'bind', Source: directory })), 'identity-isolated');
	for (const source of ['/', '/var/run/docker.sock', '/proc']) await scene.refuses(t, service(mount({ Type: 'bind', Source: source })), 'identity-isolated');
	await scene.refuses(t, service(mount({ Type: 'volume', VolumeOptions: { DriverConfig: { Name: 'local', Options: { type: 'none', o: 'bind', device: '/etc' } } } })), 'identity-isolated');
	await scene.refuses(t, service({ CapabilityAdd: ['CAP_SYS_ADMIN'] }), 'identity-isolated');
	await scene.refuses(t, service({ Privileges: { Seccomp: { Mode: 'unconfined' } } }), 'identity-isolated');
	await scene.refuses(t, service({ Privileges: { AppArmor: { Mode: 'disabled' } } }), 'identity-isolated');
	await scene.refuses(t, json('POST /services/x/update?version=1', { TaskTemplate: { ContainerSpec: { CapabilityAdd: ['ALL'] } } }), 'identity-isolated');
});

abuse(42, 'the engine is made part of a swarm, whose managers nobody judges here', refused('policy-refused'), async (t, scene) => {
	await scene.refuses(t, json('POST /swarm/init', { ListenAddr: '127.0.0.1:2377' }));
	await scene.refuses(t, json('POST /swarm/join', { ListenAddr: '127.0.0.1:2377', RemoteAddrs: ['192.0.2.1:2377'], JoinToken: 'x' }));
	t.is(((await scene.world.docker.info()) as { Swarm: { LocalNodeState: string } }).Swarm.LocalNodeState, 'inactive');
});

abuse(43, 'a container pretends to be a task of a service', refused('label-illegal'), async (t, scene) => {
	const mount = { Type: 'volume', Target: '/run/birthmark', VolumeOptions: { DriverConfig: { Name: scene.world.plugin } } };
	for (const name of ['com.docker.swarm.service.id', 'com.docker.swarm.task.id', 'com.docker.swarm.service.name']) {
		await scene.refusesCreate(t, { Labels: { 'birthmark.cn': 'web01', 'birthmark.ou': 'web', [name]: 'x' }, HostConfig: { Mounts: [mount] } });
	}
});
