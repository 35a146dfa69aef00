/**
 * What a certificate costs: from a verified key to a linted, signed leaf, and from the bytes of a CSR
 * to its verified key, beside the bare ECDSA P-256 operations of the same process. The figures to keep
 * are the ratios; the rates depend on the machine.
 */

import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { encodeCsrDer } from '#common/x509/csr-encode.ts';
import { publicKeyHash, verifyCsr } from '#common/x509/csr.ts';
import { readCaConfig } from '../ca/config.ts';
import { onlyAuthority } from '../ca/issuance/authorities.ts';
import { createAuthority } from '../ca/issuance/authority.ts';
import { authorityProfile } from '../ca/issuance/authority-profile.ts';
import { workloadIdentity } from '../ca/issuance/identity.ts';
import { createIssue } from '../ca/issuance/issue.ts';
import { createProfiles } from '../ca/issuance/profiles.ts';

const ROUNDS = 5;
const ROUND_MS = 400;

const clock = { now: () => new Date() };
const own = { clock, random: randomBytes, backdateSeconds: 60 };
const config = readCaConfig(JSON.stringify({ trustDomain: 'bench.test' }), {});
const { trustDomain, environment } = config;
const authorities = onlyAuthority(createAuthority(1, { ...own, trustDomain, profile: authorityProfile(config) }));
const issue = createIssue({ ...own, authorities });
const domain = { trustDomain, environment, profiles: createProfiles(config.profiles) };
const identity = workloadIdentity({ commonName: 'api01', organizationalUnit: 'web-api', dnsNames: ['api01.svc.test'] }, domain);

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = publicKey.export({ format: 'der', type: 'spki' });
const key = { publicKey: spki, publicKeyHash: publicKeyHash(spki) };
const csr = encodeCsrDer({ privateKey, publicKey });
const message = randomBytes(600);
const signature = sign('sha256', message, privateKey);

/** Each thing to measure, with the bare operation that it cannot be faster than. */
const WORK: Readonly<Record<string, { readonly run: () => unknown; readonly floor?: string }>> = {
	'ECDSA P-256 sign': { run: () => sign('sha256', message, privateKey) },
	'ECDSA P-256 verify': { run: () => verify('sha256', message, publicKey, signature) },
	'issue a leaf': { run: () => issue({ identity, key, lifetimeSeconds: 3600, origin: {} }), floor: 'ECDSA P-256 sign' },
	'verify a CSR': { run: () => verifyCsr(csr), floor: 'ECDSA P-256 verify' },
};

async function perSecond(run: () => unknown): Promise<number> {
	const started = performance.now();
	let count = 0;
	while (performance.now() - started < ROUND_MS) {
		for (let index = 0; index < 10; index++) await run();
		count += 10;
	}
	return count / ((performance.now() - started) / 1000);
}

const rates = new Map(Object.keys(WORK).map((name) => [name, [] as number[]]));
for (let round = -1; round < ROUNDS; round++) {
	for (const [name, { run }] of Object.entries(WORK)) {
		const rate = await perSecond(run);
		if (round >= 0) rates.get(name)!.push(rate);
	}
}
const median = (name: string) => rates.get(name)!.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
console.log(`\n${ROUNDS} rounds in turns, median, one core`);
for (const [name, { floor }] of Object.entries(WORK)) {
	const ratio = floor ? `   ${(median(name) / median(floor)).toFixed(2)} of the bare operation` : '';
	console.log(`  ${name.padEnd(20)} ${median(name).toFixed(0).padStart(6)} per s${ratio}`);
}
console.log();
