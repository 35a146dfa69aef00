/**
 * Renewals that an operator demands. A demand is about the certificate that is in use when it is made; it
 * is fulfilled by whatever renews that, and over when that has ended. So nothing has to be written when
 * it is fulfilled, and no two can get in each other's way.
 */

import { recordEvent } from './audit.ts';
import { isNewestLive } from './certificates.ts';
import { bump, readCounter } from './counters.ts';
import type { Database, Parameters } from './database.ts';
import { revokeCertificates } from './revoke-certificates.ts';
import { toIdentity } from './rows.ts';
import type { DemandSelector, DemandStore } from './store.ts';

const MATCHES: Readonly<Record<DemandSelector['by'], string>> = {
	serial: 'c.chain IN (SELECT chain FROM certificates WHERE serial = :value)',
	containerId: 'c.authorization_id IN (SELECT id FROM authorizations WHERE container_id = :value)',
	commonName: 'c.common_name = :value',
	node: 'c.node = :value',
	all: 'TRUE',
};
const inUse = (condition: string): string => `SELECT c.serial, c.chain, c.node FROM certificates c WHERE ${condition} AND c.role = 'workload' AND ${isNewestLive('c')}`;

const INSERT = 'INSERT INTO renewal_demands (number, serial, chain, node, demanded_at) VALUES (:number, :serial, :chain, :node, :now)';
const IS_RENEWED = 'EXISTS (SELECT 1 FROM certificates later WHERE later.chain = c.chain AND later.sequence > c.sequence)';
const STATE = `CASE WHEN c.serial IS NULL THEN 'over' WHEN ${IS_RENEWED} THEN 'renewed' WHEN c.revoked_at IS NOT NULL OR c.not_after <= :now THEN 'over' ELSE 'pending' END`;
const COUNT = `
	SELECT state, count(*) AS count
	FROM (SELECT ${STATE} AS state FROM renewal_demands d LEFT JOIN certificates c ON c.serial = d.serial WHERE d.number = :number) AS states
	GROUP BY state`;
const PENDING = `c.revoked_at IS NULL AND c.not_after > :now AND NOT ${IS_RENEWED}`;
const NOT_RENEWED = `
	SELECT c.*, a.container_id, a.container_name, a.image, a.image_id
	FROM renewal_demands d JOIN certificates c ON c.serial = d.serial LEFT JOIN authorizations a ON a.id = c.authorization_id
	WHERE d.number = :number AND NOT ${IS_RENEWED} ORDER BY c.sequence LIMIT :limit`;
const OF_NODE = `
	SELECT DISTINCT d.serial, c.authorization_id FROM renewal_demands d JOIN certificates c ON c.serial = d.serial
	WHERE d.node = :node AND d.number > :after AND c.authorization_id IS NOT NULL AND ${PENDING}`;
const REPLACED = `serial IN (SELECT d.serial FROM renewal_demands d JOIN certificates c ON c.serial = d.serial WHERE d.number = :number AND ${IS_RENEWED})`;

export function createDemands(database: Database): DemandStore {
	return {
		async demandRenewal(selector, now, by) {
			const value = selector.by === 'all' ? null : selector.value;
			// Read before: what is renewed in between is as good as renewed afterwards.
			const rows = await database.read((sql) => sql.all(inUse(MATCHES[selector.by]), { value, now: now.getTime() }));
			return database.transaction(async (sql) => {
				const number = await bump(sql, 'renewal-demands');
				for (const { serial, chain, node } of rows as Parameters[]) await sql.run(INSERT, { number, serial: serial!, chain: chain!, node: node ?? null, now: now.getTime() });
				await recordEvent(sql, by, { at: now, action: 'renewal.demand', outcome: 'done', subject: value ?? 'all', details: { selector: selector.by, number, demanded: rows.length } });
				return { number, demanded: rows.length };
			});
		},
		lastDemand: () => database.read((sql) => readCounter(sql, 'renewal-demands')),
		listDemands: (node, after, now) => database.read(async (sql) => {
			const rows = await sql.all(OF_NODE, { node, after, now: now.getTime() });
			return rows.map((row) => ({ serial: row['serial'] as string, authorizationId: row['authorization_id'] as string }));
		}),
		isRenewalDemanded: (serial) => database.read(async (sql) => (await sql.get('SELECT 1 FROM renewal_demands WHERE serial = :serial', { serial })) !== undefined),
		demandProgress: (number, now, limit) => database.read(async (sql) => {
			if (number > (await readCounter(sql, 'renewal-demands'))) return undefined;
			const counts = new Map((await sql.all(COUNT, { number, now: now.getTime() })).map((row) => [row['state'] as string, Number(row['count'])]));
			const [renewed, pending, over] = ['renewed', 'pending', 'over'].map((state) => counts.get(state) ?? 0) as [number, number, number];
			const notRenewed = pending + over === 0 ? [] : await sql.all(NOT_RENEWED, { number, limit });
			return { number, renewed, pending, over, notRenewed: notRenewed.map(toIdentity) };
		}),
		revokeReplaced: (number, now, by) => database.transaction(async (sql) => {
			const revoked = await revokeCertificates(sql, REPLACED, { number }, 'superseded', now);
			await recordEvent(sql, by, { at: now, action: 'certificate.revoke', outcome: 'done', subject: String(number), details: { selector: 'renewal-demand', reason: 'superseded', revoked } });
			return revoked;
		}, 'revocations'),
	};
}
