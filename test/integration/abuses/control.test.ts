/** Abuses 50–53: the control plane. */

import { abuse, absent, json, limit, message, refused } from '../../support/abuse.ts';
import { exchangeHttp2 } from '../../support/raw-http.ts';
import { addRules } from '../../support/policy.ts';

abuse(50, 'this plugin is disabled, set up, upgraded or removed, under each of its names', refused('policy-refused'), async (t, scene) => {
	const { world } = scene;
	const [plugin] = (await world.docker.listPlugins()).filter(({ Name }) => Name === `${world.plugin}:latest`) as unknown as { Id: string }[];
	const id = plugin!.Id;
	const names = [world.plugin, `${world.plugin}:latest`, `library/${world.plugin}`, `docker.io/library/${world.plugin}:latest`, `docker.io/${world.plugin}`, `index.docker.io/library/${world.plugin}`, id, id.slice(0, 12), id.slice(0, 5), '%62irthmark', `docker.io%2Flibrary%2F${world.plugin}`];
	for (const name of names) {
		await scene.refuses(t, message(`POST /plugins/${name}/disable?force=1`, ['Content-Length: 0']));
		await scene.refuses(t, message(`POST /v1.41/plugins/${name}/enable?timeout=1`, ['Content-Length: 0']));
		await scene.refuses(t, json(`POST /plugins/${name}/set`, ['LOG_LEVEL=error']));
		await scene.refuses(t, json(`POST /plugins/${name}/upgrade?remote=example.com/other`, []));
		await scene.refuses(t, message(`DELETE /plugins/${name}?force=1`));
	}
	const { body } = await scene.refuses(t, message(`POST /plugins/${world.plugin}/disable`, ['Content-Length: 0']));
	t.regex(body, /plugin-control/, 'it says which rule would permit it');
	t.true((await world.status())?.inChain);
});

abuse(51, 'another plugin is installed, made or set up, or a service of plugins', refused('policy-refused'), async (t, scene) => {
	await scene.refuses(t, json('POST /plugins/pull?remote=vieux/sshfs:latest&name=x', []));
	await scene.refuses(t, message('POST /plugins/create?name=x', ['Content-Type: application/x-tar', 'Content-Length: 1024'], Buffer.alloc(1024)));
	await scene.refuses(t, json('POST /plugins/other/upgrade?remote=vieux/sshfs:latest', []));
	await scene.refuses(t, json('POST /plugins/other/set', ['sshkey.source=/']));
	await scene.refuses(t, json('POST /services/create', { Name: 'x', TaskTemplate: { Runtime: 'plugin', PluginSpec: { Name: 'x', Remote: 'vieux/sshfs', Privileges: [] } } }));
});

abuse(52, 'BuildKit is reached where the policy forbids building', refused('policy-refused'), async (t, scene) => {
	addRules(t, scene.world, '@id("test-no-builds") forbid (principal, action == Action::"build", resource);');
	for (const path of ['/grpc', '/v1.41/grpc', '/session', '/%67rpc']) await scene.refuses(t, message(`POST ${path}`, ['Upgrade: h2c', 'Content-Length: 0']));
	await scene.refuses(t, message('POST /build?t=x', ['Content-Type: application/x-tar', 'Content-Length: 1024'], Buffer.alloc(1024)));
});

abuse(53, 'BuildKit is reached over HTTP/2 without TLS, before any plugin is asked', limit('What the engine does not show'), async (t, scene) => {
	const [major = 0, minor = 0] = scene.world.engineVersion.split('.').map(Number);
	const isOpen = major > 29 || (major === 29 && minor >= 2);
	const answer = await exchangeHttp2(scene.world.paths.socket, 'POST', '/moby.buildkit.v1.Control/ListWorkers', { 'content-type': 'application/grpc', te: 'trailers' }, Buffer.alloc(5));
	t.is(answer?.headers.get('grpc-status') !== undefined, isOpen, 'BuildKit itself answers');
	return isOpen ? undefined : absent('engines before 29.2 have no gRPC over h2c');
});
