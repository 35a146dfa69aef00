/** Certificates in SQLite. */

import type { DatabaseSync } from 'node:sqlite';
import type { CertificateRecord } from './records.ts';
import { fromCertificate, toCertificate, toContainer, transaction } from './sqlite-rows.ts';
import type { CertificateStore } from './store.ts';

const COLUMNS = [
	'serial', 'der', 'public_key_hash', 'role', 'common_name', 'organizational_unit', 'organization', 'dns_names', 'spiffe_id',
	'node', 'authorization_id', 'start_id', 'chain', 'parent_serial', 'renewals', 'issued_at', 'not_before', 'not_after',
];

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
	// Newest of its chain means: no later certificate of the chain that is live itself.
	const identities = db.prepare(`
		SELECT c.*, a.container_id, a.container_name, a.image, a.image_id
		FROM certificates c LEFT JOIN authorizations a ON a.id = c.authorization_id
		WHERE c.role <> 'ca'
			AND (:node IS NULL OR c.node = :node)
			AND (:match IS NULL OR c.serial = :match OR c.common_name = :match)
			AND (:all = 1 OR (c.revoked_at IS NULL AND c.not_after > :now AND NOT EXISTS (
				SELECT 1 FROM certificates n
				WHERE n.chain = c.chain AND n.sequence > c.sequence AND n.revoked_at IS NULL AND n.not_after > :now)))
		ORDER BY c.sequence DESC LIMIT :limit`);
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
			const rows = identities.all({ now: now.getTime(), node: node ?? null, match: match ?? null, all: all ? 1 : 0, limit });
			return rows.map((row) => ({ ...toCertificate(row), ...toContainer(row) }));
		},
	};
}
