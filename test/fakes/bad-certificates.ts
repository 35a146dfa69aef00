/** Certificates that no agent may publish, whatever it runs on, by what is the matter with them. */

import { generateSigningKey } from '#common/x509/keys.ts';
import type { FakePki, Fault } from './ca.ts';

const minute = 60_000;

/** @param other another CA than the one that the agent trusts */
export function badCertificates(pki: FakePki, other: FakePki): ReadonlyArray<readonly [what: string, fault: () => Fault]> {
	return [
		['by another CA', () => ({ kind: 'certificate', change: { issuer: other } })],
		['for another key', () => ({ kind: 'certificate', change: { publicKey: generateSigningKey().publicKey } })],
		['that has expired', () => ({ kind: 'certificate', change: { notAfter: new Date(Date.now() - minute / 2) } })],
		['that is not valid yet', () => ({ kind: 'certificate', change: { notBefore: new Date(Date.now() + minute) } })],
		['that only a server may use', () => ({ kind: 'certificate', change: { purposes: ['serverAuth'] } })],
		['that only a client may use', () => ({ kind: 'certificate', change: { purposes: ['clientAuth'] } })],
		['without a SPIFFE ID', () => ({ kind: 'certificate', change: { spiffeId: 'https://example.com/api01' } })],
		['for servers without a DNS name', () => ({ kind: 'certificate', change: { dnsNames: [] } })],
		['for clients by another CA', () => ({ kind: 'certificate', change: { dnsNames: [], purposes: ['clientAuth'], issuer: other } })],
		['that is no certificate', () => ({ kind: 'body', body: 'hello' })],
		['with something else in front', () => ({ kind: 'body', body: `# api01\n${pki.intermediatePem}` })],
		['that is cut off', () => ({ kind: 'body', body: pki.intermediatePem.slice(0, 200) })],
	];
}

/** One that it must publish, though it serves nothing. */
export const forClientsOnly: Fault = { kind: 'certificate', change: { dnsNames: [], purposes: ['clientAuth'] } };
