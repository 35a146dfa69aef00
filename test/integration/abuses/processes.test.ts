/** Abuses 29–31, 35, 36, 39: reaching the processes, files and memory of a container with an identity. */

import { AGENT } from '../../support/world.ts';
import { abuse, json, message, refused } from '../../support/abuse.ts';
import { addRules } from '../../support/policy.ts';

abuse(29, 'another container asks for the processes of the host or of the victim, or for power over them', refused('identity-isolated'), async (t, scene) => {
	const { id, name } = await scene.victim(t);
	const asked = [
		...[name, id, id.slice(0, 12), id.slice(0, 7)].map((reference) => ({ PidMode: `container:${reference}` })),
		{ PidMode: 'host' },
		{ IpcMode: `container:${name}` },
		{ Privileged: true },
		...['SYS_PTRACE', 'CAP_SYS_ADMIN', 'sys_admin', 'ALL', 'SYS_MODULE', 'DAC_READ_SEARCH', 'SYS_RAWIO'].map((capability) => ({ CapAdd: [capability] })),
		{ SecurityOpt: ['seccomp=unconfined'] },
		{ SecurityOpt: ['apparmor:unconfined'] },
		{ MaskedPaths: [], ReadonlyPaths: [] },
	];
	for (const HostConfig of asked) await scene.refusesCreate(t, { HostConfig });
	const { body } = await scene.refusesCreate(t, { HostConfig: { PidMode: 'host' } });
	t.regex(body, /pid-host/);
	t.true(body.includes('Action::\\"reach-host\\"'), `the rule that would permit it: ${body}`);
});

abuse(29, 'a container joins one that was permitted to see the processes of the host', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const name = world.name('monitor');
	const withdraw = addRules(t, world, `@id("test-monitor") permit (principal, action == Action::"reach-host", resource) when { resource.name == "${name}" && resource.powers == ["pid-host"] };`);
	const monitor = await world.plain(t, { name, Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'], HostConfig: { PidMode: 'host' } });
	await monitor.start();
	await scene.refusesCreate(t, { HostConfig: { PidMode: `container:${name}` } });
	withdraw();
	await scene.refusesCreate(t, { HostConfig: { PidMode: 'host' } }, { line: `POST /containers/create?name=NAME&name=${name}` });
});

abuse(30, 'files are copied out of the victim and into it', refused('identity-isolated'), async (t, scene) => {
	const { id, name } = await scene.victim(t);
	for (const reference of [name, id, id.slice(0, 12), `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`]) {
		for (const method of ['GET', 'PUT', 'HEAD']) {
			const request = message(`${method} /containers/${reference}/archive?path=/run/birthmark`, method === 'PUT' ? ['Content-Type: application/x-tar', 'Content-Length: 1024'] : [], method === 'PUT' ? Buffer.alloc(1024) : '');
			// An answer to HEAD has no body that could say why.
			if (method === 'HEAD') t.is((await scene.send(request)).status, 403, `HEAD of ${reference}`);
			else await scene.refuses(t, request);
		}
	}
});

abuse(31, 'a command is run in the victim, or prepared in it', refused('identity-isolated'), async (t, scene) => {
	const { container, id, name } = await scene.victim(t);
	const command = { Cmd: ['cat', '/run/birthmark/identity.pem'], AttachStdout: true };
	for (const reference of [name, id, id.slice(0, 12), `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`]) {
		const { body } = await scene.refuses(t, json(`POST /v1.41/containers/${reference}/exec`, command));
		t.regex(body, /Action::/, 'it says which rule would permit it');
	}
	t.falsy((await container.inspect()).ExecIDs, 'nothing was prepared');
});

abuse(31, 'a command is started that was prepared when it was permitted', refused('identity-isolated'), async (t, scene) => {
	const { id, name } = await scene.victim(t);
	const withdraw = addRules(t, scene.world, `@id("test-exec") permit (principal, action == Action::"exec", resource) when { resource.cn == "${name}" };`);
	const prepared = await scene.send(json(`POST /containers/${id}/exec`, { Cmd: ['cat', '/run/birthmark/identity.pem'], AttachStdout: true }));
	t.is(prepared.status, 201, prepared.body);
	withdraw();
	const exec = (JSON.parse(prepared.body) as { Id: string }).Id;
	const { body } = await scene.refuses(t, json(`POST /exec/${exec}/start`, { Detach: false, Tty: false }));
	t.notRegex(body, /PRIVATE KEY/);
});

abuse(31, 'somebody attaches to the input of the victim', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const name = world.name('web');
	const options = { name, Image: 'test/busybox', Entrypoint: [AGENT], Cmd: ['exec', '--', 'cat'], OpenStdin: true };
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web' }, options);
	for (const reference of [name, container.id, container.id.slice(0, 10)]) {
		for (const line of [`POST /containers/${reference}/attach?stream=1&stdin=1&stdout=1`, `POST /containers/${reference}/attach?stream=1&stdout=1`, `GET /containers/${reference}/attach/ws?stream=1`]) {
			await scene.refuses(t, message(line, ['Content-Length: 0']));
		}
	}
});

abuse(31, 'a privileged command is run in any container', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const container = await world.plain(t, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	await container.start();
	for (const body of [{ Cmd: ['id'], Privileged: true }, '{"cmd":["id"],"PRIVILEGED":true}']) await scene.refuses(t, json(`POST /containers/${container.id}/exec`, body));
	t.is((await world.exec(container, ['echo', 'hello'])).stdout, 'hello\n', 'others pass');
});

abuse(35, 'a container or a build joins the network of the victim', refused('identity-isolated'), async (t, scene) => {
	const { id, name } = await scene.victim(t);
	for (const reference of [name, id, id.slice(0, 12)]) {
		await scene.refusesCreate(t, { HostConfig: { NetworkMode: `container:${reference}` } });
		await scene.refuses(t, message(`POST /build?networkmode=container:${reference}`, ['Content-Type: application/x-tar', 'Content-Length: 1024'], Buffer.alloc(1024)));
	}
});

abuse(36, 'a checkpoint of the victim is made, or another one put in its place', refused('identity-isolated'), async (t, scene) => {
	const { id, name } = await scene.victim(t);
	for (const reference of [name, id]) {
		await scene.refuses(t, json(`POST /containers/${reference}/checkpoints`, { CheckpointID: 'x', CheckpointDir: '/tmp', Exit: false }));
		await scene.refuses(t, message(`POST /containers/${reference}/start?checkpoint=x`, ['Content-Length: 0']));
	}
});

abuse(39, 'an image is made of the victim, or all its files taken', refused('identity-isolated'), async (t, scene) => {
	const { id, name } = await scene.victim(t);
	for (const reference of [name, id, id.slice(0, 12)]) {
		await scene.refuses(t, message(`POST /commit?container=${reference}&repo=stolen`, ['Content-Length: 0']));
		await scene.refuses(t, message(`GET /containers/${reference}/export`));
	}
});
