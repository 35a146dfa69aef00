/** Certificates: every one that was issued, and who is who. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { recordEvent } from './audit.ts';
import type { Database, Reader, Sql } from './database.ts';
import type { Actor, CertificateRecord } from './records.ts';
import type { RedemptionAttempt } from './redemption.ts';
import { joinReload, RELOAD_COLUMNS } from './reloads.ts';
import { fromCertificate, toCertificate, toIdentity } from './rows.ts';
import { StaleIssuerError } from './stale-issuer.ts';
import type { CertificateStore } from './store.ts';

const COLUMNS = [
	'serial', 'der', 'public_key_hash', 'role', 'common_name', 'organizational_unit', 'organization', 'dns_names', 'spiffe_id',
	'node', 'authorization_id', 'start_id', 'user_name', 'cfssl_client', 'intermediates', 'chain', 'parent_serial', 'renewals',
	'issuer_generation', 'bundle_digest', 'crl_partition', 'issued_at', 'not_before', 'not_after',
];
const INSERT = `INSERT INTO certificates (${COLUMNS.join(', ')}) SELECT ${COLUMNS.map((column) => `:${column}`).join(', ')}`;
/**
 * Not under an authority that another instance has taken out of use, because it may be out of the bundle
 * tomorrow, or void by now; nor on the word of an instance that did not know that one was.
 */
const insert = (judgedBy: readonly string[]): string => `${INSERT}
	WHERE NOT EXISTS (
		SELECT 1 FROM authorities WHERE generation = :issuer_generation AND state <> 'active'
			OR generation IN (${[':issuer_generation', ...judgedBy].join(', ')}) AND state IN ('retired', 'aborted', 'void'))`;

/**
 * The condition that a certificate is live and the newest live one of its chain of renewals.
 *
 * @param alias of the table `certificates` in the query, which also binds `:now`
 */
export function isNewestLive(alias: string): string {
	return `(${alias}.revoked_at IS NULL AND ${alias}.not_after > :now AND NOT EXISTS (
		SELECT 1 FROM certificates later
		WHERE later.chain = ${alias}.chain AND later.sequence > ${alias}.sequence AND later.revoked_at IS NULL AND later.not_after > :now))`;
}

const identities = (condition: string): string => `
	SELECT c.*, a.container_id, a.container_name, a.image, a.image_id, ${RELOAD_COLUMNS}
	FROM certificates c LEFT JOIN authorizations a ON a.id = c.authorization_id ${joinReload('c')}
	WHERE c.role <> 'ca' AND (:node IS NULL OR c.node = :node) AND (CAST(:after AS BIGINT) IS NULL OR c.sequence < :after) AND ${condition}
	ORDER BY c.sequence DESC LIMIT :limit`;
const MATCHING_IDENTITIES = identities('(c.serial = :match OR c.common_name = :match)');
const ALL_IDENTITIES = identities('TRUE');
const LIVE_IDENTITIES = identities(isNewestLive('c'));

/**
 * Adds a certificate, and the event that it was issued, within the transaction of the decision, which
 * has the turn `issue`.
 *
 * @param generations see {@link RedemptionAttempt.generations}
 * @throws BirthmarkError `csr-key-compromised` and StaleIssuerError, which undo the decision
 */
export async function insertCertificate(sql: Sql, certificate: CertificateRecord, by: Actor, generations: RedemptionAttempt['generations'] = []): Promise<void> {
	const isBlocked = await sql.get('SELECT 1 FROM compromised_keys WHERE public_key_hash = :publicKeyHash', { publicKeyHash: certificate.publicKeyHash });
	if (isBlocked) throw new BirthmarkError('csr-key-compromised', 'this key was revoked as compromised and is never certified again: make a new one');
	const judgedBy = Object.fromEntries(generations.map((generation, index) => [`judged${index}`, generation]));
	const added = await sql.run(insert(Object.keys(judgedBy).map((name) => `:${name}`)), { ...fromCertificate(certificate), ...judgedBy });
	if (added === 0) throw new StaleIssuerError();
	const { serial, role, commonName, organizationalUnit, dnsNames, node, authorizationId, startId, userName, cfsslClient, parentSerial, notAfter } = certificate;
	await recordEvent(sql, by, {
		at: certificate.issuedAt,
		action: parentSerial === undefined ? 'certificate.issue' : 'certificate.renew',
		outcome: 'done',
		subject: serial,
		details: {
			role,
			commonName,
			organizationalUnit,
			...(dnsNames.length > 0 && { dnsNames }),
			...(node !== undefined && { node }),
			...(authorizationId !== undefined && { authorizationId }),
			...(startId !== undefined && { startId }),
			...(userName !== undefined && { user: userName }),
			...(cfsslClient !== undefined && { cfsslClient }),
			...(parentSerial !== undefined && { parentSerial }),
			notAfter: notAfter.toISOString(),
		},
	});
}

export async function findCertificate(sql: Reader, serial: string): Promise<CertificateRecord | undefined> {
	const row = await sql.get('SELECT * FROM certificates WHERE serial = :serial', { serial });
	return row && toCertificate(row);
}

async function findByKey(sql: Reader, publicKeyHash: Buffer): Promise<CertificateRecord | undefined> {
	const row = await sql.get('SELECT * FROM certificates WHERE public_key_hash = :publicKeyHash ORDER BY sequence DESC LIMIT 1', { publicKeyHash });
	return row && toCertificate(row);
}

export function createCertificates(database: Database): CertificateStore {
	return {
		addCertificate: (certificate, by) => database.transaction((sql) => insertCertificate(sql, certificate, by), 'issue'),
		findCertificate: (serial) => database.read((sql) => findCertificate(sql, serial)),
		findCertificateByKey: (publicKeyHash) => database.read((sql) => findByKey(sql, publicKeyHash)),
		addRenewal: (certificate, by) => database.transaction(async (sql) => {
			const parent = await sql.get(
				'SELECT c.revoked_at, a.ended_at FROM certificates c LEFT JOIN authorizations a ON a.id = c.authorization_id WHERE c.serial = :serial',
				{ serial: certificate.parentSerial ?? null },
			);
			if (parent?.['revoked_at'] !== null) return 'revoked';
			if (parent['ended_at'] !== null) return 'ended';
			if (await findByKey(sql, certificate.publicKeyHash)) return 'key-reused';
			await insertCertificate(sql, certificate, by);
			return 'added';
		}, 'issue'),
		listIdentities: ({ now, node, match, all, limit, after }) => database.read(async (sql) => {
			const query = match !== undefined ? MATCHING_IDENTITIES : all ? ALL_IDENTITIES : LIVE_IDENTITIES;
			const rows = await sql.all(query, { node: node ?? null, limit, match: match ?? null, after: after ?? null, now: now.getTime() });
			return rows.map(toIdentity);
		}),
	};
}
