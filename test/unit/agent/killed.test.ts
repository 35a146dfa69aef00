/** An agent that is killed at any step of a publication. */

import test from 'ava';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { publish, readIdentity } from '../../../agent/store.ts';
import { createPki, issueLeaf, leafDefaults } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();
const program = fileURLToPath(new URL('../../fakes/mortal-publisher.ts', import.meta.url));
const publication = { formats: ['pkcs12', 'haproxy', 'der', 'nginx'], keyMode: 0o640 } as const;
/** Every process of Node takes a while: some steps of each run, others of the next. `make soak` takes all. */
const STRIDE = process.env['BIRTHMARK_SOAK_ROTATIONS'] ? 1 : 5;

async function makeIdentity() {
	const key = generateSigningKey();
	return { key: exportSigningKey(key), chain: await issueLeaf({ ...leafDefaults('api01', pki, 3600), publicKey: key.publicKey }), bundle: pki.bundle };
}

test('wherever an agent is killed, one whole identity is readable under every name, and the next publication succeeds', async (t) => {
	t.timeout(10 * 60_000);
	const [base, file] = [tmpfsDirectory(t), join(tmpfsDirectory(t), 'identity.json')];
	const [before, old, young, next] = [await makeIdentity(), await makeIdentity(), await makeIdentity(), await makeIdentity()];
	// The third has an old generation to remove.
	publish(base, before, publication);
	publish(base, old, publication);
	writeFileSync(file, JSON.stringify({ ...young, bundle: young.bundle.toString() }));
	const kill = (step: number) => {
		const directory = tmpfsDirectory(t);
		cpSync(base, directory, { recursive: true, verbatimSymlinks: true });
		const { signal, status, stderr } = spawnSync(process.execPath, [program, directory, file, String(step)], { encoding: 'utf8' });
		return { directory, signal, status, stderr };
	};
	let seenOld = 0;
	let seenYoung = 0;
	for (let step = 1 + Math.floor(Math.random() * STRIDE); ; step += STRIDE) {
		const { directory, signal, status, stderr } = kill(step);
		const text = readFileSync(join(directory, 'identity.pem'), 'utf8');
		const seen = [old, young].find(({ key, chain }) => text === key + chain);
		const where = `killed at step ${step}: ${stderr}`;
		if (!seen) return t.fail(where);
		seen === old ? seenOld++ : seenYoung++;
		t.is(readFileSync(join(directory, 'tls.key'), 'utf8'), seen.key, where);
		t.is(readFileSync(join(directory, 'haproxy.pem'), 'utf8'), seen.chain + seen.key, where);
		t.is(readIdentity(directory)?.chain, seen.chain, where);
		publish(directory, next, publication);
		publish(directory, next, publication);
		t.is(readIdentity(directory)?.chain, next.chain, where);
		t.true(readdirSync(directory).filter((name) => name.startsWith('.')).length <= 3, where);
		if (signal !== 'SIGKILL') {
			t.is(status, 0, where);
			break;
		}
	}
	t.log(`${seenOld} kills before the switch, ${seenYoung} after`);
	t.true(seenOld > 1 && seenYoung > 1);
});
