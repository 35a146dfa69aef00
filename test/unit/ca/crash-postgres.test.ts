/**
 * Two CA instances on one PostgreSQL under load, while an instance, both, or the database are ended in
 * the middle of it. A few times here; `make soak` does it 60 times (`BIRTHMARK_SOAK_OUTAGES`).
 */

import test from 'ava';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startCaProcess, type CaProcess } from '../../support/ca-process.ts';
import { temporaryFolder } from '../../support/ca.ts';
import { postgresFor } from '../../support/stores.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { Ledger } from '../../soak/ledger.ts';
import { runLoad } from '../../soak/load.ts';
import { sayProgress } from '../../soak/progress.ts';
import { seededRandom } from '../../soak/random.ts';
import { soakUser } from '../../soak/user.ts';
import { verifyLedger } from '../../soak/verify.ts';

const OUTAGES = Number(process.env['BIRTHMARK_SOAK_OUTAGES'] ?? 4);
const CLIENTS = 6;
const CONFIG = { tokenTtlSeconds: 86_400, redemptionWindowSeconds: 86_400, userTokens: { maximumSeconds: 7 * 86_400 } };
const KINDS = ['one instance is killed', 'PostgreSQL crashes', 'both instances are killed', 'PostgreSQL is restarted'] as const;

const postgres = postgresFor(test);

postgres.test('with two instances on one PostgreSQL, no outage of an instance or of the database breaks what was answered, and service resumes by itself', async (t) => {
	t.timeout(180_000 + OUTAGES * 60_000);
	const folder = temporaryFolder(t);
	const server = await postgres.server();
	const options = { environment: { DATABASE_URL: await server.newDatabase() } };
	const states = ['a', 'b'].map((name) => join(folder, name)) as [string, string];
	mkdirSync(states[0]);
	writeFileSync(join(states[0], 'config.json'), JSON.stringify(CONFIG));
	const first = await startCaProcess(t, states[0], options);
	cpSync(states[0], states[1], { recursive: true, filter: (path) => !/\.sock$|\.lock$/.test(path) });
	const instances: [CaProcess, CaProcess] = [first, await startCaProcess(t, states[1], options)];
	const { random, seed } = seededRandom();
	const ledger = new Ledger();
	const node = await instances[0].ca.join('host1');
	const userToken = await soakUser(instances[0].ca);

	for (let round = 0; round < OUTAGES; round++) {
		const kind = KINDS[round % KINDS.length]!;
		const before = ledger.lives.length;
		let isOver = false;
		const load = runLoad({ ledger, instances: instances.map(({ ca }) => ca), node, userToken, random, isOver: () => isOver }, CLIENTS);
		await ledger.moreAnswers(20 + random() * 60);
		if (kind.startsWith('PostgreSQL')) {
			await restart(server, kind === 'PostgreSQL crashes' ? 'immediate' : 'fast', random() * 1000);
			await ledger.moreAnswers(30);
			isOver = true;
		} else {
			const hit = kind === 'one instance is killed' ? [Math.floor(random() * 2)] : [0, 1];
			await Promise.all(hit.map((index) => instances[index]!.kill()));
			if (hit.length === 1) await ledger.moreAnswers(30);
			isOver = true;
			for (const index of hit) instances[index] = await startCaProcess(t, states[index]!, options);
		}
		await load;
		const lives = [...ledger.lives.slice(before), ...ledger.lives.slice(0, before).filter(() => random() < 10 / (before + 1))];
		await verifyLedger(ledger, instances[Math.floor(random() * 2)]!.ca, lives);
		t.deepEqual(ledger.faults, [], `seed ${seed}, round ${round}: ${kind}`);
		sayProgress(round + 1, OUTAGES);
	}
	for (const { ca } of instances) await verifyLedger(ledger, ca, ledger.lives);
	t.deepEqual(ledger.faults, [], `seed ${seed}`);
	t.log(`seed ${seed}: ${OUTAGES} outages, ${ledger.lives.length} containers, ${[...ledger.answered].map(([call, count]) => `${call}: ${count}`).sort().join(', ')}`);
});

async function restart(server: TestPostgres, mode: 'fast' | 'immediate', milliseconds: number): Promise<void> {
	await server.stop(mode);
	await setTimeout(milliseconds);
	await server.start();
}
