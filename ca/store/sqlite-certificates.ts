/** Certificates in SQLite. */

import type { DatabaseSync } from 'node:sqlite';
import type { CertificateRecord } from './records.ts';
import { fromCertificate, toCertificate, toContainer, transaction } from './sqlite-rows.ts';
import type { CertificateStore } from './store.ts';

const COLUMNS = [
	'serial', 'der', 'public_key_hash', 'role', 'common_name', 'organizational_unit', 'organization', 'dns_names', 'spiffe_id',
	'node', 'authorization_id', 'start_id', 'chain', 'parent_serial', 'renewals', 'issued_at', 'not_before', 'not_after',
];

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

/** Adds a certificate within the transaction of the caller. */
export function certificateInserter(db: DatabaseSync): (certificate: CertificateRecord) => void {
	const insert = db.prepare(`INSERT INTO certificates (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((column) => `:${column}`).join(', ')})`);
	return (certificate) => void insert.run(fromCertificate(certificate));
}

export function sqliteCertificates(db: DatabaseSync): CertificateStore {
	const insert = certificateInserter(db);
	const bySerial = db.prepare('SELECT * FROM certificates WHERE serial = ?');
	const byKey = db.prepare('SELECT * FROM certificates WHERE public_key_hash = ? ORDER BY sequence DESC LIMIT 1');
	const parentState = db.prepare(`
		SELECT c.revoked_at, a.ended_at FROM certificates c LEFT JOIN authorizations a ON a.id = c.authorization_id WHERE c.serial = ?`);
	const identities = (condition: string) => db.prepare(`
		SELECT c.*, a.container_id, a.container_name, a.image, a.image_id
		FROM certificates c LEFT JOIN authorizations a ON a.id = c.authorization_id
		WHERE c.role <> 'ca' AND (:node IS NULL OR c.node = :node) AND ${condition}
		ORDER BY c.sequence DESC LIMIT :limit`);
	const matchingIdentities = identities('(c.serial = :match OR c.common_name = :match)');
	const allIdentities = identities('TRUE');
	const liveIdentities = identities(isNewestLive('c'));
	const find = (row: Record<string, unknown> | undefined) => (row ? toCertificate(row) : undefined);
	return {
		async addCertificate(certificate) {
			insert(certificate);
		},
		async findCertificate(serial) {
			return find(bySerial.get(serial));
		},
		async findCertificateByKey(publicKeyHash) {
			return find(byKey.get(publicKeyHash));
		},
		async addRenewal(certificate) {
			return transaction(db, () => {
				const parent = parentState.get(certificate.parentSerial ?? null);
				if (parent?.['revoked_at'] !== null) return 'revoked';
				if (parent['ended_at'] !== null) return 'ended';
				if (byKey.get(certificate.publicKeyHash)) return 'key-reused';
				insert(certificate);
				return 'added';
			});
		},
		async listIdentities({ now, node, match, all, limit }) {
			const scope = { node: node ?? null, limit };
			const rows = match !== undefined ? matchingIdentities.all({ ...scope, match })
				: all ? allIdentities.all(scope)
				: liveIdentities.all({ ...scope, now: now.getTime() });
			return rows.map((row) => ({ ...toCertificate(row), ...toContainer(row) }));
		},
	};
}
