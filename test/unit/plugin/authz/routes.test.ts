/** Every route of the engine is one that somebody has thought about: judged by a rule, or let through for a reason. */

import { readFileSync } from 'node:fs';
import test from 'ava';
import { ruleFor } from '../../../../plugin/authz/rules.ts';

const ROUTES = readFileSync(new URL('../../../vectors/engine-routes.txt', import.meta.url), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));

/** Reason → routes. In docs/threat-model.md by family. */
const PASSES: Readonly<Record<string, readonly string[]>> = {
	'it only tells: no secret is in labels, environment, configuration or events': [
		'GET /_ping', 'HEAD /_ping', 'GET /info', 'GET /version', 'GET /events', 'GET /system/df', 'GET /containers/json', 'GET /containers/{name}/json', 'GET /containers/{name}/changes',
		'GET /containers/{name}/stats', 'GET /containers/{name}/top', 'GET /containers/{name}/checkpoints', 'GET /exec/{id}/json', 'GET /volumes', 'GET /volumes/{name}', 'GET /networks', 'GET /networks/', 'GET /networks/{id}',
		'GET /plugins', 'GET /plugins/{name}/json', 'GET /plugins/privileges', 'GET /swarm', 'GET /swarm/unlockkey', 'GET /services', 'GET /services/{id}', 'GET /nodes', 'GET /nodes/{id}', 'GET /tasks', 'GET /tasks/{id}',
		'GET /secrets', 'GET /secrets/{id}', 'GET /configs', 'GET /configs/{id}',
	],
	'it shows what the application prints': ['GET /containers/{name}/logs', 'GET /services/{id}/logs', 'GET /tasks/{id}/logs'],
	'the life of a container: it ends an identity or begins another, and reads none': [
		'POST /containers/{name}/stop', 'POST /containers/{name}/kill', 'POST /containers/{name}/pause', 'POST /containers/{name}/unpause', 'POST /containers/{name}/wait',
		'DELETE /containers/{name}', 'POST /containers/prune', 'DELETE /containers/{name}/checkpoints/{checkpoint}',
	],
	'it changes limits, the restart policy or the size of a terminal': ['POST /containers/{name}/update', 'POST /containers/{name}/resize', 'POST /exec/{name}/resize'],
	'addresses give no rights': ['POST /networks/create', 'POST /networks/{id}/disconnect', 'POST /networks/prune', 'DELETE /networks/{id}'],
	'the engine refuses it for volumes in use, and our driver ends the identity with the volume': ['POST /volumes/prune', 'PUT /volumes/{name}'],
	'images hold no identity; the id of the one that runs is what is judged': [
		'GET /images/json', 'GET /images/search', 'GET /images/get', 'GET /images/{name}/get', 'GET /images/{name}/history', 'GET /images/{name}/json', 'GET /images/{name}/attestations', 'POST /images/load',
		'POST /images/create', 'POST /images/{name}/push', 'POST /images/{name}/tag', 'POST /images/prune', 'DELETE /images/{name}', 'GET /distribution/{name}/json', 'POST /auth', 'POST /build/prune', 'POST /build/cancel',
	],
	'of the swarm that the engine is in; its tasks are judged by their service': [
		'POST /swarm/leave', 'POST /swarm/update', 'POST /swarm/unlock', 'DELETE /services/{id}', 'DELETE /nodes/{id}', 'POST /nodes/{id}/update', 'POST /secrets/create', 'DELETE /secrets/{id}', 'POST /secrets/{id}/update',
		'POST /configs/create', 'DELETE /configs/{id}', 'POST /configs/{id}/update',
	],
	'it takes the files of a plugin to a registry, where no identity is': ['POST /plugins/{name}/push'],
	'only with the debug mode of the engine, and then of the engine itself': ['GET /debug/vars', 'GET /debug/pprof/', 'GET /debug/pprof/cmdline', 'GET /debug/pprof/profile', 'GET /debug/pprof/symbol', 'GET /debug/pprof/trace', 'GET /debug/pprof/{name}'],
};
const passing = new Set(Object.values(PASSES).flat());

test('there are routes to look at', (t) => {
	t.true(ROUTES.length > 100);
	t.deepEqual([...passing].filter((route) => !ROUTES.includes(route)), [], 'and every reason is about one of them');
});

for (const route of ROUTES) {
	test(`${route} is ${passing.has(route) ? 'let through' : 'judged'}`, (t) => {
		const [method = '', template = ''] = route.split(' ');
		const isJudged = ruleFor({ method, path: template.replace(/\{[^}]+\}/g, 'x') }) !== undefined;
		t.is(isJudged, !passing.has(route));
	});
}

/** To the engine's router any of them is part of a name, or of none. */
for (const character of ['\r', '\n', '\u2028', '\u2029', '\u0085', '\0', '\ufffd', ' ']) {
	test(`a name with the character ${character.charCodeAt(0).toString(16)} hides no call from its rule`, (t) => {
		for (const route of ROUTES.filter((one) => !passing.has(one))) {
			const [method = '', template = ''] = route.split(' ');
			t.truthy(ruleFor({ method, path: template.replace(/\{[^}]+\}/g, `a${character}b`) }), route);
		}
	});
}
