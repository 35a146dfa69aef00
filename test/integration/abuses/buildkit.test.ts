/** Abuse 41: BuildKit, whose steps are in no list of containers. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { abuse, harmless, message, refused } from '../../support/abuse.ts';
import { addRules } from '../../support/policy.ts';

abuse(41, 'BuildKit is asked to build where the policy forbids it', refused('policy-refused'), async (t, scene) => {
	addRules(t, scene.world, '@id("test-no-builds") forbid (principal, action == Action::"build", resource);');
	await scene.refuses(t, message('POST /build?version=2&t=x', ['Content-Type: application/x-tar', 'Content-Length: 1024'], Buffer.alloc(1024)));
	await scene.refuses(t, message('POST /build?version=2&remote=http://127.0.0.1:9/x', ['Content-Length: 0']));
});

abuse(41, 'a step of BuildKit looks for an identity', harmless(), async (t, scene) => {
	const { world } = scene;
	const image = `test/${world.name('image')}`;
	t.teardown(() => world.cli(['rmi', '--force', image]));
	const dockerfile = createServer((_, response) => response.setHeader('content-type', 'text/plain').end('FROM test/busybox\nLABEL birthmark.cn=web99 birthmark.ou=web\nRUN ls -a /run/birthmark > /seen 2>&1 || true\n'));
	await new Promise<void>((resolve) => dockerfile.listen(0, '127.0.0.1', resolve));
	t.teardown(() => void dockerfile.close());
	const before = (await world.identities(true)).length;
	const built = await scene.send(message(`POST /build?version=2&t=${image}&remote=http://127.0.0.1:${(dockerfile.address() as AddressInfo).port}/Dockerfile`, ['Content-Length: 0']));
	t.is(built.status, 200, built.body);
	t.notRegex(built.body, /"errorDetail"/);
	t.is((await world.identities(true)).length, before);
	// The same file in an image that asks for nothing.
	const plain = `${image}-plain`;
	t.teardown(() => world.cli(['rmi', '--force', plain]));
	const copied = await world.cli(['build', '--quiet', '--tag', plain, '-'], `FROM ${image} AS seen\nFROM test/busybox\nCOPY --from=seen /seen /seen\n`);
	t.is(copied.code, 0, copied.stderr);
	t.regex((await scene.attempt(t, { Image: plain, Cmd: ['cat', '/seen'] })).output, /No such file/, 'there is nothing where identities are');
});
