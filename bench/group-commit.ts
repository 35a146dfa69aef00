/**
 * How many tokens are redeemed durably per second, by so many clients at once, in the embedded
 * database. Waiting for the disk is what one client pays at every redemption and many share. The
 * figure to keep is the ratio to one client; the rates depend on the disk.
 */

import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Actor, CertificateRecord } from '../ca/store/records.ts';
import { openSqliteStore } from '../ca/store/sqlite.ts';
import type { Store } from '../ca/store/store.ts';
import { BUILD } from '../scripts/paths.ts';
import { runMain } from '../scripts/steps.ts';

const CLIENTS = [1, 16, 64];
const ROUNDS = 5;
const REDEMPTIONS = 1000;
const DAY_MS = 24 * 3600 * 1000;
const NODE: Actor = { role: 'node', name: 'host1' };
const ANYBODY: Actor = { role: 'anonymous', name: '' };

interface Start {
	readonly hash: Buffer;
	readonly certificate: CertificateRecord;
}

/** A record of the size of a real one. */
function certificateFor(role: 'node' | 'workload', commonName: string, now: Date): CertificateRecord {
	const serial = randomBytes(16).toString('hex');
	return {
		serial, chain: serial, der: randomBytes(600), publicKeyHash: randomBytes(32), role, commonName, organizationalUnit: 'web', organization: 'production', dnsNames: [],
		spiffeId: `spiffe://bench.internal/production/web/${commonName}`, node: NODE.name, renewals: 0, issuerGeneration: 1, crlPartition: 0,
		issuedAt: now, notBefore: now, notAfter: new Date(now.getTime() + DAY_MS),
	};
}

/** The node that authorizes all the containers. */
async function joinNode(store: Store): Promise<void> {
	const now = new Date();
	const hash = randomBytes(32);
	await store.addJoinToken({ hash, role: 'node', name: NODE.name, allow: ['*/*'], createdAt: now, expiresAt: new Date(now.getTime() + DAY_MS) }, ANYBODY);
	const certificate = certificateFor('node', NODE.name, now);
	await store.redeemJoinToken(hash, certificate, { publicKeyHash: certificate.publicKeyHash, now, generations: [1], windowSeconds: 600 }, ANYBODY);
}

/** Authorized containers with a token each, and the certificates to be stored for them: what a redemption finds made. */
function prepare(store: Store, count: number): Promise<Start[]> {
	const now = new Date();
	return Promise.all(Array.from({ length: count }, async () => {
		const names = { commonName: `c${randomBytes(6).toString('hex')}`, organizationalUnit: 'web', dnsNames: [] };
		const authorization = { ...names, id: randomUUID(), node: NODE.name, containerId: randomBytes(32).toString('hex'), image: 'bench:1', lifetimeSeconds: DAY_MS / 1000, createdAt: now };
		await store.authorize(authorization, NODE);
		const token = { hash: randomBytes(32), authorizationId: authorization.id, node: NODE.name, startId: randomUUID(), expiresAt: new Date(now.getTime() + DAY_MS) };
		await store.mintToken(token, now, NODE);
		return { hash: token.hash, certificate: { ...certificateFor('workload', names.commonName, now), authorizationId: authorization.id, startId: token.startId } };
	}));
}

async function redemptionsPerSecond(store: Store, clients: number): Promise<number> {
	const starts = await prepare(store, REDEMPTIONS);
	const begun = performance.now();
	await Promise.all(Array.from({ length: clients }, async () => {
		for (let start = starts.pop(); start; start = starts.pop()) {
			const { hash, certificate } = start;
			const { outcome } = await store.redeemToken(hash, certificate, { publicKeyHash: certificate.publicKeyHash, now: new Date(), generations: [1], windowSeconds: 600 }, ANYBODY);
			if (outcome !== 'issued') throw new Error(`a redemption ended as ${outcome}`);
		}
	}));
	return REDEMPTIONS * 1000 / (performance.now() - begun);
}

runMain(async () => {
	const folder = join(BUILD, `bench-${process.pid}`);
	mkdirSync(folder, { recursive: true });
	try {
		const store = openSqliteStore(join(folder, 'ca.db'));
		const rates = new Map(CLIENTS.map((clients) => [clients, [] as number[]]));
		await joinNode(store);
		await redemptionsPerSecond(store, 16);
		for (let round = 0; round < ROUNDS; round++) for (const clients of CLIENTS) rates.get(clients)!.push(await redemptionsPerSecond(store, clients));
		await store.close();
		const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
		const reference = median(rates.get(1)!);
		console.log(`\ndurable redemptions per second, SQLite, ${ROUNDS} rounds of ${REDEMPTIONS} in turns`);
		for (const [clients, values] of rates) {
			console.log(`  ${String(clients).padStart(3)} at once ${median(values).toFixed(0).padStart(8)} per s   ${(median(values) / reference).toFixed(2)} times one client`);
		}
		console.log();
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}, () => join(BUILD, 'logs/bench.log'));
