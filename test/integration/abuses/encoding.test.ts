/** Abuses 1–12: create requests that the engine reads otherwise than they look, or does not show. */

import { abuse, absent, chunked, json, message, refused } from '../../support/abuse.ts';
import { exchangeHttp2 } from '../../support/raw-http.ts';

/** What every one of these asks for, were it let through: the whole host. */
const GREEDY = '{"Image":"test/busybox","HostConfig":{"Binds":["/:/host"]}}';
const MEBIBYTE = 1024 * 1024;

abuse(1, 'create with a body of 1 MiB and more', refused('engine-request-unseen', 'identity-isolated'), async (t, scene) => {
	for (const size of [MEBIBYTE, 2 * MEBIBYTE]) await scene.refusesCreate(t, `${GREEDY.slice(0, -1)},"Labels":{"x":"${'x'.repeat(size)}"}}`);
});

abuse(2, 'create with a chunked body', refused('engine-request-unseen', 'identity-isolated'), async (t, scene) => {
	await scene.refusesCreate(t, GREEDY, { build: (line, body) => message(line, ['Content-Type: application/json', 'Transfer-Encoding: chunked'], chunked(body)) });
	// The length counts for nothing then (RFC 9112 §6.3).
	await scene.refusesCreate(t, GREEDY, { build: (line, body) => message(line, ['Content-Type: application/json', 'Content-Length: 2', 'Transfer-Encoding: chunked'], chunked(body)) });
	await scene.refusesCreate(t, GREEDY, { build: (line, body) => message(line, ['Content-Type: application/json', 'Expect: 100-continue', `Content-Length: ${body.length}`], body) });
});

abuse(3, 'create over HTTP/2 without TLS, without a Content-Length', refused('engine-request-unseen', 'identity-isolated'), async (t, scene) => {
	const name = scene.world.name('attacker');
	const answer = await exchangeHttp2(scene.world.paths.socket, 'POST', `/containers/create?name=${name}`, { 'content-type': 'application/json' }, GREEDY);
	t.is((await scene.send(message(`GET /containers/${name}/json`))).status, 404, 'no container was created');
	if (!answer) return absent('the engine speaks no HTTP/2 without TLS');
	scene.wasRefused(t, answer);
});

abuse(4, 'create with unusual spellings of the media type', refused('engine-request-unseen', 'identity-isolated'), async (t, scene) => {
	for (const type of ['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;a=b;c="d"', ' application/json ', 'application/json;;', 'application/vnd.docker+json', 'text/plain']) {
		await scene.refusesCreate(t, GREEDY, { build: (line, body) => message(line, [`Content-Type: ${type}`, `Content-Length: ${body.length}`], body) });
	}
	await scene.refusesCreate(t, GREEDY, { build: (line, body) => message(line, [`Content-Length: ${body.length}`], body) });
	// The engine of old takes this for its address of logins, whose bodies it shows nobody.
	await scene.refusesCreate(t, GREEDY, { line: 'POST /containers/create?name=NAME&x=/auth' });
});

abuse(5, 'create with keys in another case', refused('identity-isolated', 'mount-missing'), async (t, scene) => {
	await scene.refusesCreate(t, '{"image":"test/busybox","hostconfig":{"binds":["/:/host"]}}', { code: 'identity-isolated' });
	await scene.refusesCreate(t, '{"IMAGE":"test/busybox","HOSTCONFIG":{"mOUNTS":[{"TYPE":"bind","source":"/","tarGET":"/host"}]}}', { code: 'identity-isolated' });
	await scene.refusesCreate(t, '{"Image":"test/busybox","LABELS":{"birthmark.cn":"web1","birthmark.ou":"web"}}', { code: 'mount-missing' });
});

abuse(6, 'create with keys that are others only by Unicode folding', refused('engine-request-ambiguous'), async (t, scene) => {
	await scene.refusesCreate(t, '{"Image":"test/busybox","Ho\u017ftConfig":{"Binds":["/:/host"]}}');
	await scene.refusesCreate(t, '{"Image":"test/busybox","HostConfig":{"Bind\u017f":["/:/host"]}}');
	await scene.refusesCreate(t, '{"Image":"test/busybox","HostConfig":{"Bind\\u017f":["/:/host"]}}');
	await scene.refusesCreate(t, '{"Image":"test/busybox","Label\u017f":{"birthmark.cn":"web1","birthmark.ou":"web"}}');
	await scene.refusesCreate(t, '{"Image":"test/busybox","HostConfig":{"Networ\u212aMode":"host"}}');
});

abuse(7, 'create with repeated keys, which the engine merges', refused('engine-request-ambiguous'), async (t, scene) => {
	await scene.refusesCreate(t, '{"Image":"test/busybox","HostConfig":{"Binds":["/:/host"]},"HostConfig":{}}');
	await scene.refusesCreate(t, '{"Image":"test/busybox","HostConfig":{},"hostConfig":{"Binds":["/:/host"]}}');
	await scene.refusesCreate(t, '{"Image":"test/busybox","HostConfig":{"Binds":["/:/host"],"binds":[]}}');
	await scene.refusesCreate(t, '{"Image":"test/busybox","HostConfig":{"Mounts":[{"Type":"volume","Source":"x","Target":"/x","type":"bind","\\u0073ource":"/"}]}}');
});

abuse(8, 'create with labels that a null at the end takes away', refused('engine-request-ambiguous'), async (t, scene) => {
	await scene.refusesCreate(t, '{"Image":"test/busybox","Labels":{"birthmark.cn":"web1","birthmark.ou":"web"},"labels":null}');
	await scene.refusesCreate(t, '{"Image":"test/busybox","HostConfig":null,"HostConfig":{"Binds":["/:/host"]}}');
});

abuse(9, 'create with fields of HostConfig at the top of the body', refused('engine-request-ambiguous'), async (t, scene) => {
	for (const field of ['"Binds":["/:/host"]', '"Privileged":true', '"PidMode":"host"', '"volumesfrom":["x"]', '"Mounts":[{"Type":"bind","Source":"/","Target":"/host"}]', '"CapAdd":"SYS_ADMIN"']) {
		await scene.refusesCreate(t, `{"Image":"test/busybox",${field}}`);
	}
});

abuse(10, 'create with the driver of volumes at the top of the body', refused('engine-request-ambiguous'), async (t, scene) => {
	await scene.refusesCreate(t, `{"Image":"test/busybox","Volumes":{"/x":{}},"VolumeDriver":"${scene.world.plugin}","HostConfig":{}}`);
});

abuse(11, 'create with more after the JSON value', refused('engine-request-ambiguous'), async (t, scene) => {
	await scene.refusesCreate(t, `${GREEDY}{}`);
	await scene.refusesCreate(t, '{"Image":"test/busybox"} {"HostConfig":{"Binds":["/:/host"]}}');
	await scene.refusesCreate(t, `${GREEDY}\0`);
});

abuse(12, 'create with invalid UTF-8', refused('engine-request-ambiguous'), async (t, scene) => {
	const withByte = (before: string, after: string) => (line: string): Uint8Array => json(line, Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)]));
	await scene.refusesCreate(t, '', { build: withByte('{"Image":"test/busybox","Labels":{"birthmark.cn":"web1', '","birthmark.ou":"web"}}') });
	await scene.refusesCreate(t, '', { build: withByte('{"Image":"test/busybox","HostConfig":{"Binds":["/:/x', '"]}}') });
	await scene.refusesCreate(t, '{"Image":"test/busybox","Labels":{"birthmark.cn\\ud800":"web1"}}');
	await scene.refusesCreate(t, '\ufeff{"Image":"test/busybox"}');
});
