/** Abuses 1–4: bodies that the engine acts on and may not show. */

import { abuse, chunked, json, message, refused } from '../../support/abuse.ts';

/** What every one of these asks for, were it let through: all of the host. */
const GREEDY = JSON.stringify({ Image: 'test/busybox', HostConfig: { Privileged: true, Binds: ['/:/host'] } });
const MEBIBYTE = 1024 * 1024;

abuse(1, 'create with a body of 1 MiB and more', refused('engine-request-unseen', 'identity-isolated'), async (t, scene) => {
	for (const size of [MEBIBYTE, 2 * MEBIBYTE]) await scene.refusesCreate(t, `${GREEDY.slice(0, -1)},"Labels":{"x":"${'x'.repeat(size)}"}}`);
});

abuse(2, 'create with a chunked body', refused('engine-request-unseen', 'identity-isolated'), async (t, scene) => {
	await scene.refusesCreate(t, GREEDY, { build: (line, body) => message(line, ['Content-Type: application/json', 'Transfer-Encoding: chunked'], chunked(body)) });
});

abuse(4, 'create with unusual spellings of the media type', refused('engine-request-unseen', 'identity-isolated'), async (t, scene) => {
	for (const type of ['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;a=b;c="d"', ' application/json ', 'application/vnd.docker+json']) {
		await scene.refusesCreate(t, GREEDY, { build: (line, body) => message(line, [`Content-Type: ${type}`, `Content-Length: ${body.length}`], body) });
	}
	await scene.refusesCreate(t, { HostConfig: { Binds: ['/:/host'] } }, { build: json });
});
