/**
 * kill -9 at random moments under load. A few times here; `make soak` does it 200 times
 * (`BIRTHMARK_SOAK_KILLS`).
 */

import test from 'ava';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startCaProcess, spawnCa } from '../../support/ca-process.ts';
import { temporaryFolder } from '../../support/ca.ts';
import { Ledger } from '../../soak/ledger.ts';
import { runLoad } from '../../soak/load.ts';
import { sayProgress } from '../../soak/progress.ts';
import { seededRandom } from '../../soak/random.ts';
import { soakUser } from '../../soak/user.ts';
import { verifyLedger } from '../../soak/verify.ts';

const KILLS = Number(process.env['BIRTHMARK_SOAK_KILLS'] ?? 6);
const CLIENTS = 6;
/** Answers have to be repeatable until the end of the soak. */
const CONFIG = { tokenTtlSeconds: 86_400, redemptionWindowSeconds: 86_400, userTokens: { maximumSeconds: 7 * 86_400 } };

test('killed at random moments under load, no token counts twice, no answered certificate is unknown, no revoked one lives, no CRL number goes back, and the audit chain verifies', async (t) => {
	t.timeout(120_000 + KILLS * 20_000);
	const state = join(temporaryFolder(t), 'state');
	mkdirSync(state, { recursive: true });
	writeFileSync(join(state, 'config.json'), JSON.stringify(CONFIG));
	const { random, seed } = seededRandom();
	const ledger = new Ledger();
	let { ca, kill } = await startCaProcess(t, state);
	const node = await ca.join('host1');
	const userToken = await soakUser(ca);
	for (let round = 0; round < KILLS; round++) {
		const before = ledger.lives.length;
		let isOver = false;
		const load = runLoad({ ledger, instances: [ca], node, userToken, random, isOver: () => isOver }, CLIENTS);
		// By answers, not by time: a slow machine gets as much done before it is hit.
		await ledger.moreAnswers(5 + random() * 120);
		await setTimeout(random() * 20);
		await kill();
		isOver = true;
		await load;
		if (random() < 0.2) await killWhileStarting(state, random() * 500);
		({ ca, kill } = await startCaProcess(t, state));
		await verifyLedger(ledger, ca, [...ledger.lives.slice(before), ...ledger.lives.filter(() => random() < 10 / (before + 1))]);
		t.deepEqual(ledger.faults, [], `seed ${seed}, round ${round}`);
		sayProgress(round + 1, KILLS);
	}
	await verifyLedger(ledger, ca, ledger.lives);
	t.deepEqual(ledger.faults, [], `seed ${seed}`);
	t.log(`seed ${seed}: ${KILLS} kills, ${ledger.lives.length} containers, ${[...ledger.answered].map(([call, count]) => `${call}: ${count}`).sort().join(', ')}`);
	for (const call of ['authorize 201', 'mint 201', 'sign 200', 'renew 200', 'end 200']) t.true((ledger.answered.get(call) ?? 0) > 0, `no ${call}`);
});

async function killWhileStarting(state: string, milliseconds: number): Promise<void> {
	const child = spawnCa(state);
	await setTimeout(milliseconds);
	await new Promise((resolve) => {
		child.once('exit', resolve);
		child.kill('SIGKILL');
	});
}
