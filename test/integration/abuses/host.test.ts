/** Abuses 54, 55: the engine, the host's files and devices. */

import { randomBytes } from 'node:crypto';
import { rmSync, symlinkSync } from 'node:fs';
import { abuse, json, refused } from '../../support/abuse.ts';
import { addRules } from '../../support/policy.ts';

abuse(54, 'a container binds what leads to the engine or to the host', refused('identity-isolated'), async (t, scene) => {
	const { paths } = scene.world;
	const link = `/tmp/birthmark-link-${randomBytes(4).toString('hex')}`;
	symlinkSync('/', link);
	t.teardown(() => rmSync(link, { force: true }));
	const places = ['/', '/.', '//', '/tmp/..', link, `${link}/etc`, '/run', '/var/run', '/run/docker/plugins', '/run/containerd/containerd.sock', '/var/run/docker.sock', '/etc', '/etc/docker', '/proc', '/proc/1/root', '/proc/self/root/etc/docker', '/sys', '/var/lib/docker', '/run/dbus', paths.socket, paths.run, paths.data];
	for (const place of places) {
		await scene.refusesCreate(t, { HostConfig: { Binds: [`${place}:/x:ro`] } });
		await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'bind', Source: place, Target: '/x', ReadOnly: true }] } });
	}
	for (const place of ['/usr/bin', '/etc/cron.d', '/root/.ssh', '/boot']) await scene.refusesCreate(t, { HostConfig: { Binds: [`${place}:/x`] } });
});

abuse(54, 'a local volume leads to the host', refused('identity-isolated'), async (t, scene) => {
	const volume = (options: object) => json('POST /volumes/create', { Name: scene.world.name('volume'), Driver: 'local', DriverOpts: options });
	for (const options of [{ type: 'none', o: 'bind', device: '/' }, { type: 'none', o: 'bind', device: '/var/run' }, { type: 'proc', device: 'proc' }, { type: 'sysfs', device: 'sysfs' }, { type: 'ext4', device: '/dev/sda1' }, { type: 'devtmpfs', device: 'x' }]) {
		await scene.refuses(t, volume(options));
		await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Name: 'local', Options: options } } }] } });
	}
});

abuse(54, 'a volume is mounted that was made when its options were permitted, or the binds of another container are', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const [volume, monitor] = [world.name('volume'), world.name('monitor')];
	const withdraw = addRules(t, world, `@id("test-volume") permit (principal, action == Action::"reach-host", resource) when { resource.volumes.contains("${volume}") || resource.name == "${monitor}" };`);
	t.teardown(() => world.docker.getVolume(volume).remove());
	t.is((await scene.send(json('POST /volumes/create', { Name: volume, Driver: 'local', DriverOpts: { type: 'none', o: 'bind', device: '/proc' } }))).status, 201);
	await world.plain(t, { name: monitor, Image: 'test/busybox', HostConfig: { Binds: ['/etc:/x:ro'] } });
	withdraw();
	await scene.refusesCreate(t, { HostConfig: { Binds: [`${volume}:/x`] } });
	await scene.refusesCreate(t, { HostConfig: { Mounts: [{ Type: 'volume', Source: volume, Target: '/x' }] } });
	await scene.refusesCreate(t, { HostConfig: { VolumesFrom: [monitor] } });
});

abuse(54, 'a container asks for devices or for the control group of others', refused('identity-isolated'), async (t, scene) => {
	for (const path of ['/dev/mem', '/dev/sda', '/dev/loop0', '/dev', '/dev/dri/../mem']) await scene.refusesCreate(t, { HostConfig: { Devices: [{ PathOnHost: path, PathInContainer: '/dev/x', CgroupPermissions: 'rwm' }] } });
	await scene.refusesCreate(t, { HostConfig: { DeviceCgroupRules: ['b *:* rwm'] } });
	await scene.refusesCreate(t, { HostConfig: { CgroupParent: '/docker' } });
});

abuse(54, 'a container tells the program that makes it what to do on the host', refused('identity-isolated'), async (t, scene) => {
	for (const name of ['org.systemd.property.DeviceAllow', 'org.criu.config', 'bundle', 'run.oci.seccomp_bpf_data']) await scene.refusesCreate(t, { HostConfig: { Annotations: { [name]: '' } } });
});

abuse(54, 'what a rule permits one container, it permits no other', refused('identity-isolated'), async (t, scene) => {
	const name = scene.world.name('proxy');
	addRules(t, scene.world, `@id("test-proxy") permit (principal == Caller::"local", action == Action::"reach-host", resource) when { resource.name == "${name}" && ["engine-socket"].containsAll(resource.powers) };`);
	const container = await scene.world.plain(t, { name, Image: 'test/busybox', HostConfig: { Binds: ['/var/run/docker.sock:/x:ro'] } });
	t.truthy(container.id, 'the one that is named');
	await scene.refusesCreate(t, { HostConfig: { Binds: ['/var/run/docker.sock:/x:ro'] } });
	await container.remove();
	await scene.refuses(t, json(`POST /containers/create?name=${name}`, { Image: 'test/busybox', HostConfig: { Binds: ['/var/run/docker.sock:/x:ro', '/etc/docker:/y'] } }));
});

abuse(55, 'a container asks for CDI devices', refused('identity-isolated'), async (t, scene) => {
	await scene.refusesCreate(t, { HostConfig: { DeviceRequests: [{ Driver: 'cdi', DeviceIDs: ['vendor.com/device=all'] }] } });
	await scene.refusesCreate(t, { HostConfig: { devicerequests: [{ driver: 'cdi', deviceids: ['vendor.com/device=all'] }] } });
	await scene.refusesCreate(t, { HostConfig: { DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] } });
});
