/**
 * Rotations under readers that never pause. A switch comes at any moment of a read, and never twice in one:
 * the generation before stays for one rotation, and certificates live longer than files are read. Pairs are read
 * as the documentation has it: one file, one directory, or the file that names the two of one generation.
 */

import test from 'ava';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { publish, readIdentity } from '../../../agent/store.ts';
import { sayProgress } from '../../soak/progress.ts';
import { createPki, issueLeaf, leafDefaults } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';
import { hasServers, haproxyTester, nginxTester, nodeReader, opensslReader, readWhileChanging, startNginx, type Lane, type RunningNginx } from '../../support/tight-readers.ts';

/** `make soak` sets ten thousand. */
const ROTATIONS = Number(process.env['BIRTHMARK_SOAK_ROTATIONS'] ?? 100);
const pki = await createPki();
const identities = await Promise.all(Array.from({ length: 8 }, async () => {
	const key = generateSigningKey();
	return { key: exportSigningKey(key), chain: await issueLeaf({ ...leafDefaults('api01', pki, 24 * 3600), publicKey: key.publicKey }), bundle: pki.bundle };
}));
const publication = { formats: ['haproxy', 'nginx'], keyMode: 0o600 } as const;

// One after the other: what is measured is the readers, not how many of them share a machine.
const reading = hasServers() ? test.serial : test.serial.skip;

reading(`${ROTATIONS} rotations under openssl, Node, HAProxy and nginx, and never a key beside another key's certificate`, async (t) => {
	t.timeout(3 * 3_600_000);
	const directory = tmpfsDirectory(t);
	const folder = mkdtempSync(join(tmpdir(), 'birthmark-readers-'));
	t.teardown(() => rmSync(folder, { recursive: true }));
	publish(directory, identities[0]!, publication);
	const servers = await Promise.all(Array.from({ length: 8 }, (_, index) => startNginx(join(folder, `nginx-${index}`), 'include nginx.conf', `include ${directory}/nginx.conf;`)));
	const [nginx] = servers as [RunningNginx];
	const lanes: readonly Lane[] = [
		{ readers: servers },
		{ readers: [opensslReader(directory)] },
		{ readers: [nodeReader(directory, 'file'), nodeReader(directory, 'generation')] },
		{ readers: [nginxTester(folder, 'include nginx.conf', `include ${directory}/nginx.conf;`), haproxyTester(folder, directory)], pauseChanges: 5 },
	];
	t.teardown(() => Promise.all(lanes.flatMap(({ readers }) => readers.map((reader) => reader.end()))));
	const seen = await readWhileChanging(lanes, ROTATIONS, rotateIn(directory, ROTATIONS));
	for (const { name, reads, met, faults } of seen) {
		t.log(`${name}: ${reads} reads, ${met} of them with a switch in their midst, ${faults.length} faults`);
		t.deepEqual(faults.slice(0, 3), [], name);
	}
	const { serial } = readIdentity(directory)!.leaf;
	t.is(await nginx.read(), undefined);
	// A worker that is on its way out may answer for a moment.
	for (let count = 0; (await servedSerial(nginx.socket)) !== serial; count++) {
		if (count === 200) return t.fail('nginx does not serve what was published last');
		await nginx.read();
	}
});

// What is not promised, measured: each rotation falls into a read, and how many reads straddle it is the point.
reading('a program that opens tls.crt and tls.key one after the other may get two that do not match, and refuses them', async (t) => {
	t.timeout(3 * 3_600_000);
	const directory = tmpfsDirectory(t);
	const folder = mkdtempSync(join(tmpdir(), 'birthmark-readers-'));
	t.teardown(() => rmSync(folder, { recursive: true }));
	publish(directory, identities[0]!, publication);
	const tester = nginxTester(folder, 'two names', `ssl_certificate ${directory}/tls.crt; ssl_certificate_key ${directory}/tls.key;`);
	const [seen] = await readWhileChanging([{ readers: [tester] }], ROTATIONS / 2, rotateIn(directory, ROTATIONS / 2));
	const { reads, met, faults } = seen!;
	t.log(`${tester.name}: ${reads} reads, ${met} of them with a switch in their midst, ${faults.length} refused`);
	for (const fault of faults) t.regex(fault, /key values mismatch/);
	t.is(await tester.read(), undefined, 'the next look is whole');
});

function rotateIn(directory: string, rotations: number): (count: number) => void {
	return (count) => {
		publish(directory, identities[count % identities.length]!, publication);
		sayProgress(count, rotations, 500);
	};
}

async function servedSerial(path: string): Promise<string> {
	const socket = connect({ socket: connectSocket(path), rejectUnauthorized: false });
	try {
		await once(socket, 'secureConnect');
		return new X509Certificate(socket.getPeerCertificate(true).raw).serialNumber.toLowerCase();
	} finally {
		socket.destroy();
	}
}
