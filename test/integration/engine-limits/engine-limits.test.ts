/** What doctor says of the limits of this engine is what somebody finds who tries them. */

import test from 'ava';
import type { Finding } from '../../../cli/diagnosis.ts';
import { chunked, exchangeRaw, json, message } from '../../support/raw-http.ts';
import { openWorld } from '../../support/world.ts';

const world = openWorld();

/** Nobody has an image of this name, and nobody can. */
const BODY = JSON.stringify({ Image: 'ILLEGAL', Labels: { padding: 'x'.repeat(1024 * 1024) } });

test('doctor names the bodies that this engine hides from the plugin, and no others', async (t) => {
	const attempts = {
		'engine: chunked': message('POST /containers/create', ['Content-Type: application/json', 'Transfer-Encoding: chunked'], chunked('{"Image":"ILLEGAL"}')),
		'engine: large': json('POST /containers/create', BODY),
	};
	const hidden: string[] = [];
	for (const [check, request] of Object.entries(attempts)) {
		const { body } = await exchangeRaw(world.paths.socket, request);
		if (body.includes('[engine-request-unseen]')) hidden.push(check);
	}
	const ran = await world.birthmark(['doctor', '--json']);
	const { findings } = JSON.parse(ran.stdout) as { findings: Finding[] };
	t.deepEqual(findings.filter(({ check }) => check in attempts).map(({ check }) => check), hidden);
	t.is(findings.find(({ check }) => check === 'engine')?.detail.split(',')[0], `Docker ${world.engineVersion}`);
	// Every engine that the tests run on is one that doctor knows.
	t.false(findings.some(({ check }) => check === 'engine: old' || check === 'engine: new' || check === 'engine: gRPC'));
});
