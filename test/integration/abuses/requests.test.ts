/** Abuses 13–22: addresses, parameters and versions that the engine takes for others than they look. */

import fc from 'fast-check';
import { absent, abuse, chunked, harmless, json, message, refused } from '../../support/abuse.ts';
import { pluginProcess, waitingAt } from '../../support/processes.ts';
import { exchangeRaw } from '../../support/raw-http.ts';
import { eventually } from '../../support/world.ts';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { splitUri } from '../../../plugin/authz/engine-call.ts';

const IMAGE = 'test/busybox';
const GREEDY = { HostConfig: { Binds: ['/:/host'] } };
const FORM = 'Content-Type: application/x-www-form-urlencoded';

abuse(13, 'parameters in a form instead of the address', refused('engine-request-unseen'), async (t, scene) => {
	const victim = await scene.sharedVictim(t);
	const image = `test/${scene.world.name('stolen')}`;
	const part = `--b\r\nContent-Disposition: form-data; name="container"\r\n\r\n${victim.id}\r\n--b--\r\n`;
	const form = (line: string, body: string, type = FORM): Promise<unknown> => scene.refuses(t, message(line, [type, `Content-Length: ${body.length}`], body));
	await form('POST /commit?container=nobody', `container=${victim.id}&repo=${image}`);
	await form(`POST /containers/${victim.id}/rename?name=x`, 'name=stolen');
	await form(`POST /images/${IMAGE}/tag?repo=x`, `repo=${image}`);
	await form('POST /images/create?fromImage=x', 'fromImage=test%2Fbusybox');
	await form(`POST /plugins/${scene.world.plugin}/disable`, 'force=1', 'Content-Type: APPLICATION/x-www-Form-urlencoded; charset=utf-8');
	await form('POST /build?remote=http%3A%2F%2F127.0.0.1%3A1%2F', `networkmode=container%3A${victim.id}`);
	await form('POST /commit?container=nobody', part, 'Content-Type: multipart/form-data; boundary=b');
	// Go folds this letter into an i. Headers are written in Latin 1: here it is two bytes of UTF-8.
	await form(`POST /containers/${victim.id}/rename`, part, `Content-Type: mult${Buffer.from('\u0130').toString('latin1')}part/form-data; boundary=b`);
	t.is((await victim.container.inspect()).Name, `/${victim.name}`);
	t.deepEqual(await scene.world.docker.listImages({ filters: { reference: [image] } }), []);
});

abuse(14, 'parameters in a form that hides behind a second media type or comes in chunks', refused('engine-request-unseen', 'engine-request-ambiguous'), async (t, scene) => {
	const victim = await scene.sharedVictim(t);
	const body = `container=${victim.id}`;
	// The engine obeys the first media type and shows the last.
	for (const type of ['application/json', 'text/plain', 'application/x-tar']) {
		await scene.refuses(t, message('POST /commit?container=nobody', [FORM, `Content-Type: ${type}`, `Content-Length: ${body.length}`], body), 'engine-request-unseen');
		await scene.refuses(t, message('POST /commit?container=nobody', [FORM, `Content-Type: ${type}`, 'Transfer-Encoding: chunked'], chunked(body)), 'engine-request-unseen');
		await scene.refuses(t, message('POST /commit?container=nobody', [FORM, `Content-Type: ${type}`, 'Content-Length: 0', 'Transfer-Encoding: chunked'], chunked(body)), 'engine-request-unseen');
		await scene.refuses(t, message(`POST /containers/${victim.id}/start`, [FORM, `Content-Type: ${type}`, 'Transfer-Encoding: chunked'], chunked('checkpoint=x')), 'engine-request-unseen');
	}
	await scene.refuses(t, message('POST /commit?container=nobody', [FORM, 'Transfer-Encoding: chunked'], chunked(body)), 'engine-request-unseen');
	await scene.refusesCreate(t, GREEDY, { code: 'engine-request-unseen', build: (line, text) => message(line, [FORM, 'Content-Type: application/json', `Content-Length: ${text.length}`], text) });
	await scene.refusesCreate(t, '', { code: 'engine-request-unseen', build: (line) => message(line, ['Content-Type: application/json', 'Content-Length: 0']) });
	await scene.refusesCreate(t, ' ', { code: 'engine-request-ambiguous' });
});

abuse(15, 'percent-encoded paths', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	for (const path of ['/containers/%63reate', '/containers%2Fcreate', '/%63%6f%6e%74%61%69%6e%65%72%73%2f%63%72%65%61%74%65', '/%761.41/containers/create', '/v1%2e41/containers/create', '/v1.41%2fcontainers/create']) {
		await scene.refusesCreate(t, GREEDY, { line: `POST ${path}?name=NAME` });
	}
	// Whatever the engine takes for a create, the plugin takes for one.
	const misread: string[] = [];
	for (const target of fc.sample(TARGETS, { numRuns: 150, seed: 4 })) {
		const answer = await scene.send(json(`POST ${target}`, { Image: 'test/there-is-no-such-image' })).catch(() => undefined);
		if (answer?.body.includes('No such image') && splitUri(target).path !== '/containers/create') misread.push(target);
	}
	t.deepEqual(misread, []);
	t.true((await scene.send(json(`POST http:/containers/%63reate?name=${world.name()}`, { Image: 'test/there-is-no-such-image' }))).body.includes('No such image'), 'the engine routes such paths');
});

/** Spellings of `/containers/create`, most of which mean something else. */
const letter = (text: string): fc.Arbitrary<string> => fc.constantFrom(text, text, text, `%${text.charCodeAt(0).toString(16)}`, text.toUpperCase());
const word = (text: string): fc.Arbitrary<string> => fc.oneof({ weight: 3, arbitrary: fc.constant(text) }, { weight: 1, arbitrary: fc.tuple(...[...text].map(letter)).map((letters) => letters.join('')) });
const slash = fc.oneof({ weight: 6, arbitrary: fc.constant('/') }, { weight: 1, arbitrary: fc.constantFrom('//', '%2f', '%2F', '/./', '/x/../', '/%2e/', ';/', '/;', '\\', '/%00', '/%20') });
const TARGETS = fc.tuple(
	fc.constantFrom('', '', '', 'http://docker', 'http:', 'x-y.z+1:', 'HTTP://u:p@h:1', 'http://', '//docker', 'http:///'),
	fc.oneof({ weight: 2, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.tuple(slash, fc.constantFrom('v1.41', 'v01.41', 'v1.41.0', '%761.41', 'v1.24', 'V1.41', 'v', 'v1.41/v1.41')).map((parts) => parts.join('')) }),
	slash, word('containers'), slash, word('create'),
	fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom('/', '?', '?x=/y', ';x', '%20', '%', '?%zz', '#x') }),
).map((parts) => parts.join(''));

abuse(16, 'request targets in absolute form', refused('identity-isolated'), async (t, scene) => {
	for (const before of ['http://docker', 'http://', 'HTTPS://user:secret@docker:1', 'http:', 'x:', 'x://']) {
		await scene.refusesCreate(t, GREEDY, { line: `POST ${before}/containers/create?name=NAME` });
		await scene.refusesCreate(t, GREEDY, { line: `POST ${before}/v1.41/containers/create?name=NAME` });
	}
});

abuse(17, 'no version in the path, or an unusual one', refused('identity-isolated'), async (t, scene) => {
	for (const prefix of ['', '/v01.41', '/v1.41.0', '/v1.041', '/v1.41.', '/v.', '/v1', '/v99.9']) {
		await scene.refusesCreate(t, GREEDY, { line: `POST ${prefix}/containers/create?name=NAME` });
	}
});

abuse(18, 'repeated parameters, of which the first counts', refused('identity-isolated'), async (t, scene) => {
	const { world } = scene;
	const victim = await scene.sharedVictim(t);
	await scene.refuses(t, message(`POST /commit?container=${victim.id}&container=nobody`, ['Content-Length: 0']));
	await scene.refuses(t, message(`POST /commit?%63ontainer=${victim.name}&container=nobody`, ['Content-Length: 0']));
	for (const left of ['?container=nobody', 'x;container=nobody', 'container=nobody%']) await scene.refuses(t, message(`POST /commit?${left}&container=${victim.id}`, ['Content-Length: 0']));
	t.is((await scene.send(message(`POST /commit?container=nobody&container=${victim.id}`, ['Content-Length: 0']))).status, 404, 'the engine asks for the first, too');
	const [first, second] = [world.name('first'), world.name('second')];
	t.teardown(() => world.docker.getContainer(first).remove({ force: true }));
	t.is((await scene.send(json(`POST /containers/create?name=${first}&name=${second}`, { Image: IMAGE }))).status, 201);
	t.is((await world.docker.getContainer(first).inspect()).Name, `/${first}`);
});

abuse(19, 'calls that need JSON in another media type', refused('engine-request-unseen'), async (t, scene) => {
	const service = JSON.stringify({ Name: 'x', TaskTemplate: { ContainerSpec: { Image: IMAGE, Mounts: [{ Type: 'volume', Source: 'x', Target: '/x' }] } } });
	const options = JSON.stringify({ Name: 'x', DriverOpts: { type: 'none', o: 'bind', device: '/' } });
	for (const type of [['Content-Type: text/plain'], ['Content-Type: application/octet-stream'], []]) {
		await scene.refuses(t, message('POST /services/create', [...type, `Content-Length: ${service.length}`], service));
		await scene.refuses(t, message('POST /services/x/update?version=1', [...type, `Content-Length: ${service.length}`], service));
		await scene.refuses(t, message('POST /volumes/create', [...type, `Content-Length: ${options.length}`], options));
	}
});

abuse(20, 'an authorization request of the engine that is empty', harmless(), async (t, scene) => {
	const { world } = scene;
	const socket = `/proc/${pluginProcess(world.paths)}/root/run/docker/plugins/birthmark.sock`;
	for (const body of ['', '{}', 'null', '{"RequestMethod":"POST"}']) {
		const answer = await exchangeRaw(socket, json('POST /AuthZPlugin.AuthZReq', body));
		t.is(answer.status, 500, 'the engine neither repeats nor allows what has another status than 200');
		t.regex(answer.body, /\[request-malformed\]/);
	}
});

abuse(20, 'the plugin dies while it is asked, and the engine asks again without a body', harmless(), async (t, scene) => {
	const { world } = scene;
	const name = world.name('attacker');
	const pid = pluginProcess(world.paths);
	t.teardown(async () => {
		if (pluginProcess(world.paths, { mayBeMissing: true }) === pid) process.kill(pid, 'SIGKILL');
		await waitUntilEnforced(world.host);
	});
	process.kill(pid, 'SIGSTOP');
	const answer = scene.send(json(`POST /containers/create?name=${name}`, { Image: IMAGE, ...GREEDY }));
	// It must have been sent: the call of the engine waits in the socket of the stopped plugin.
	await eventually('the call waits', async () => waitingAt(pid) > 0);
	process.kill(pid, 'SIGKILL');
	const { status, body } = await answer;
	t.true(status === 403 || status === 500, body);
	await waitUntilEnforced(world.host);
	t.is((await scene.send(message(`GET /containers/${name}/json`))).status, 404, 'no container was created');
});

abuse(21, 'API before 1.24: a start with a HostConfig', refused('identity-isolated', 'engine-request-ambiguous'), async (t, scene) => {
	const { world } = scene;
	const container = await world.plain(t, { Image: IMAGE, Cmd: ['cat', '/host/etc/hostname'] });
	const hostConfig = { Binds: ['/etc:/host/etc'] };
	for (const version of ['v1.12', 'v1.23', 'v1.23.9', 'v01.23', 'v0.9', 'v.']) await scene.refuses(t, json(`POST /${version}/containers/${container.id}/start`, hostConfig), 'identity-isolated');
	for (const version of ['', '/v1.24', '/v1.41']) await scene.refuses(t, json(`POST ${version}/containers/${container.id}/start`, hostConfig), 'engine-request-ambiguous');
	t.deepEqual((await container.inspect()).HostConfig.Binds ?? [], []);
	t.false((await container.inspect()).State.Running);
});

abuse(22, 'API before 1.24: copy', refused('identity-isolated'), async (t, scene) => {
	const victim = await scene.sharedVictim(t);
	for (const version of ['v1.12', 'v1.23', '%761.20']) {
		const answer = await scene.send(json(`POST /${version}/containers/${victim.id}/copy`, { Resource: '/run/birthmark/identity.pem' }));
		t.false(answer.body.includes('PRIVATE KEY'));
		// It asks no plugin about addresses that it does not have.
		if (answer.status === 404 && answer.body.includes('page not found')) return absent('the engine has no such call any more');
		scene.wasRefused(t, answer);
	}
	const { status, body } = await scene.send(json(`POST /containers/${victim.id}/copy`, { Resource: '/run/birthmark/identity.pem' }));
	t.not(status, 200, 'newer versions have no such call');
	t.false(body.includes('PRIVATE KEY'));
});
