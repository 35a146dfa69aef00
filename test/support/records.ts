/** Records of the store, made up, for tests that want the store alone. */

import { randomBytes, randomUUID } from 'node:crypto';
import type { AuthorizationRecord, CertificateRecord } from '../../ca/store/records.ts';
import type { RedemptionAttempt } from '../../ca/store/redemption.ts';
import { SYSTEM } from '../../ca/store/records.ts';
import type { Store } from '../../ca/store/store.ts';
import { newContainerId } from './ca.ts';

/** A moment of whole seconds. */
export const NOW = new Date('2030-01-01T00:00:00Z');

export function later(seconds: number): Date {
	return new Date(NOW.getTime() + seconds * 1000);
}

export function newCertificate(more: Partial<CertificateRecord> = {}): CertificateRecord {
	const serial = randomBytes(16).toString('hex');
	return {
		serial,
		der: randomBytes(300),
		publicKeyHash: randomBytes(32),
		role: 'workload',
		commonName: 'web01',
		organizationalUnit: 'web',
		organization: 'production',
		dnsNames: [],
		spiffeId: 'spiffe://birthmark.internal/production/web/web01',
		chain: serial,
		renewals: 0,
		issuerGeneration: 1,
		crlPartition: 0,
		issuedAt: NOW,
		notBefore: NOW,
		notAfter: later(3600),
		...more,
	};
}

export function newAuthorization(more: Partial<AuthorizationRecord> = {}): AuthorizationRecord {
	return {
		id: randomUUID(),
		node: 'host1',
		containerId: newContainerId(),
		image: 'test:1',
		commonName: 'web01',
		organizationalUnit: 'web',
		dnsNames: [],
		lifetimeSeconds: 3600,
		createdAt: NOW,
		...more,
	};
}

/** By a key of its own unless one is given. */
export function attempt(publicKeyHash: Buffer = randomBytes(32), now: Date = NOW): RedemptionAttempt {
	return { publicKeyHash, now, generations: [], windowSeconds: 600 };
}

/** Lets a node join. */
export async function joinNode(store: Store, name = 'host1', issuerGeneration = 1): Promise<CertificateRecord> {
	const hash = randomBytes(32);
	await store.addJoinToken({ hash, role: 'node', name, allow: ['*/*'], createdAt: NOW, expiresAt: later(60) }, SYSTEM);
	const certificate = newCertificate({ role: 'node', commonName: name, node: name, issuerGeneration });
	await store.redeemJoinToken(hash, certificate, attempt(certificate.publicKeyHash), SYSTEM);
	return certificate;
}

/** An authorization with a token for one start of it. @returns the token's hash */
export async function mint(store: Store, authorization: AuthorizationRecord, startId = 'one'): Promise<Buffer> {
	const hash = randomBytes(32);
	await store.authorize(authorization, SYSTEM);
	await store.mintToken({ hash, authorizationId: authorization.id, node: authorization.node, startId, expiresAt: later(60) }, NOW, SYSTEM);
	return hash;
}
