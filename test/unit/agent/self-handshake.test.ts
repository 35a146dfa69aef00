/** What each end finds is in enrol.test.ts and built.test.ts; here, that nothing is left of it in the runtime of containers. */

import test from 'ava';
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { createPki, issueLeaf, leafDefaults } from '../../fakes/ca.ts';
import type { SelfHandshakerInput } from '../../fakes/self-handshaker.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const path = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const library = path('build/agent/bin/libbirthmark-start.so');
const pki = await createPki();
const otherPki = await createPki('Other');

async function credentials(): Promise<SelfHandshakerInput> {
	const key = generateSigningKey();
	const chain = await issueLeaf({ ...leafDefaults('api01', pki, 3600), publicKey: key.publicKey });
	return { key: exportSigningKey(key), chain, bundle: pki.bundle.toString(), serverName: 'api01' };
}
const good = await credentials();
const other = await credentials();

const outcomes: ReadonlyArray<readonly [what: string, input: SelfHandshakerInput, result: RegExp]> = [
	['a good identity', good, /^good$/],
	['a certificate that must not be trusted', { ...good, bundle: otherPki.bundle.toString() }, /issuer certificate/],
	['another name', { ...good, serverName: 'api02' }, /altnames/],
	['the key of another certificate', { ...good, key: other.key }, /KEY_VALUES_MISMATCH/],
	['a key that is none', { ...good, key: 'hello' }, /NO_START_LINE/],
	['a bundle that is none', { ...good, bundle: 'hello' }, /Invalid CA/],
];
for (const [what, input, result] of outcomes) {
	(existsSync(library) ? test : test.skip)(`no descriptor is left open by a handshake with ${what}`, async (t) => {
		const file = join(tmpfsDirectory(t), 'credentials.json');
		writeFileSync(file, JSON.stringify(input));
		const { stdout } = await promisify(execFile)(path('node_modules/bun/bin/bun.exe'), [path('test/fakes/self-handshaker.ts'), library, file]);
		const [, said, left] = /^(.*) \+(-?\d+)\n$/.exec(stdout) ?? [];
		t.regex(said ?? stdout, result);
		t.is(left, '0');
	});
}
