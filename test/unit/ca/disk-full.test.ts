/** A CA whose disk is full: it says so, keeps what it has, and goes on by itself when there is room again. */

import test from 'ava';
import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { startCaProcess } from '../../support/ca-process.ts';
import { newContainerId, temporaryFolder } from '../../support/ca.ts';
import { canMakeDisks, smallDisk } from '../../support/small-disk.ts';
import { Ledger } from '../../soak/ledger.ts';
import { runLoad, type Instance } from '../../soak/load.ts';
import { seededRandom } from '../../soak/random.ts';
import { soakUser } from '../../soak/user.ts';
import { verifyLedger } from '../../soak/verify.ts';

const CLIENTS = 6;
/** What was answered is asked for again at the end, which a busy machine reaches late. */
const CONFIG = { tokenTtlSeconds: 3600, redemptionWindowSeconds: 3600 };
const testOnDisk = canMakeDisks() ? test : test.skip;

testOnDisk('a full disk is answered 503, nothing is half written, and service resumes by itself or after kill -9', async (t) => {
	t.timeout(600_000);
	const mountPoint = join(temporaryFolder(t), 'disk');
	mkdirSync(mountPoint);
	const disk = await smallDisk(t, mountPoint, '16m');
	const state = join(disk.inside, 'state');
	const options = { enter: disk.enter, seenState: join(disk.outside, 'state') };
	mkdirSync(options.seenState);
	writeFileSync(join(options.seenState, 'config.json'), JSON.stringify(CONFIG));
	const { random, seed } = seededRandom();
	const ledger = new Ledger();
	let isOver = false;
	const load = (instance: Instance) => runLoad({ ledger, instances: [instance], node, userToken, random, isOver: () => isOver }, CLIENTS);
	const first = await startCaProcess(t, state, options);
	const node = await first.ca.join('host1');
	const userToken = await soakUser(first.ca, 3000);

	// The disk runs full while it works, and there is room again before it ends.
	let running = load(first.ca);
	await ledger.moreAnswers(60);
	disk.fill(100_000);
	const refusal = await firstRefusal(first.ca, node);
	t.is(refusal.status, 503);
	t.is(refusal.headers['content-type'], 'application/problem+json');
	t.is(refusal.json()['code'], 'ca-unavailable');
	t.is((await first.ca.request('GET', '/v1/whoami', { credentials: node })).status, 200);
	t.is((await first.ca.request('GET', '/v1/roots')).status, 200);
	disk.free();
	await ledger.moreAnswers(60);
	isOver = true;
	await running;
	t.is(first.child.exitCode, null);
	await verifyLedger(ledger, first.ca, ledger.lives);
	t.deepEqual(ledger.faults, [], `seed ${seed}, the same process`);

	// Once more, and this time it is killed while there is no room.
	isOver = false;
	running = load(first.ca);
	await ledger.moreAnswers(20);
	disk.fill();
	await firstRefusal(first.ca, node);
	await first.kill();
	isOver = true;
	await running;
	disk.free();
	const second = await startCaProcess(t, state, options);
	await verifyLedger(ledger, second.ca, ledger.lives);
	t.deepEqual(ledger.faults, [], `seed ${seed}, after kill -9`);
	t.is((await second.ca.authorize(node, { commonName: 'web01' })).commonName, 'web01');
});

/** Writes until there is no room for more. */
async function firstRefusal(ca: Instance, node: { key: string; cert: string }) {
	for (;;) {
		const body = { commonName: 'filler', organizationalUnit: 'web', dnsNames: [], image: 'test:1', containerId: newContainerId() };
		const answer = await ca.request('POST', '/v1/authorize', { credentials: node, body });
		if (answer.status !== 201) return answer;
		await setTimeout(5);
	}
}
