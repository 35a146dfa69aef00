/** Between rows of the database and the records of the store. */

import type { ReloadOutcome, RevocationReason, Role, WorkloadProfile } from '#common/protocol/messages.ts';
import type { Parameters, Row } from './database.ts';
import type { AuthorizationRecord, CertificateRecord, IdentityRecord, NodeRecord, ReloadRecord } from './records.ts';

export function toCertificate(row: Row): CertificateRecord {
	return {
		serial: row['serial'] as string,
		der: bytes(row['der']),
		publicKeyHash: bytes(row['public_key_hash']),
		role: row['role'] as Role,
		...toNames(row),
		organization: row['organization'] as string,
		spiffeId: row['spiffe_id'] as string,
		...optional('node', row['node']),
		...optional('authorizationId', row['authorization_id']),
		...optional('startId', row['start_id']),
		...optional('userName', row['user_name']),
		...optional('cfsslClient', row['cfssl_client']),
		...optional('intermediates', row['intermediates']),
		chain: row['chain'] as string,
		...optional('parentSerial', row['parent_serial']),
		renewals: row['renewals'] as number,
		issuerGeneration: row['issuer_generation'] as number,
		crlPartition: row['crl_partition'] as number,
		...(row['bundle_digest'] == null ? {} : { bundleDigest: bytes(row['bundle_digest']) }),
		issuedAt: instant(row['issued_at']),
		notBefore: instant(row['not_before']),
		notAfter: instant(row['not_after']),
		...(row['revoked_at'] == null ? {} : { revokedAt: instant(row['revoked_at']), revocationReason: row['revocation_reason'] as RevocationReason }),
	};
}

/** Values for the columns of `certificates` that an issued certificate fills, by name. */
export function fromCertificate(record: CertificateRecord): Parameters {
	return {
		serial: record.serial,
		der: record.der,
		public_key_hash: record.publicKeyHash,
		role: record.role,
		common_name: record.commonName,
		organizational_unit: record.organizationalUnit,
		organization: record.organization,
		dns_names: JSON.stringify(record.dnsNames),
		spiffe_id: record.spiffeId,
		node: record.node ?? null,
		authorization_id: record.authorizationId ?? null,
		start_id: record.startId ?? null,
		user_name: record.userName ?? null,
		cfssl_client: record.cfsslClient ?? null,
		intermediates: record.intermediates ?? null,
		chain: record.chain,
		parent_serial: record.parentSerial ?? null,
		renewals: record.renewals,
		issuer_generation: record.issuerGeneration,
		crl_partition: record.crlPartition,
		bundle_digest: record.bundleDigest ?? null,
		issued_at: record.issuedAt.getTime(),
		not_before: record.notBefore.getTime(),
		not_after: record.notAfter.getTime(),
	};
}

export function toAuthorization(row: Row): AuthorizationRecord {
	return {
		id: row['id'] as string,
		node: row['node'] as string,
		...toContainer(row),
		containerId: row['container_id'] as string,
		image: row['image'] as string,
		...toNames(row),
		...(row['profile'] === null ? {} : { profile: row['profile'] as WorkloadProfile }),
		lifetimeSeconds: row['lifetime_seconds'] as number,
		createdAt: instant(row['created_at']),
		...(row['ended_at'] == null ? {} : { endedAt: instant(row['ended_at']) }),
	};
}

/** A certificate joined with its authorization, and with what its holder reported. */
export function toIdentity(row: Row): IdentityRecord {
	const reload = toReload(row);
	return { ...toCertificate(row), ...toContainer(row), sequence: row['sequence'] as number, ...(reload && { reload }) };
}

function toReload(row: Row): ReloadRecord | undefined {
	if (row['reload_outcome'] == null) return undefined;
	return {
		outcome: row['reload_outcome'] as ReloadOutcome,
		attempts: row['reload_attempts'] as number,
		...optional('servedSerial', row['reload_served_serial']),
		serial: row['reload_serial'] as string,
		at: instant(row['reload_at']),
		...optional('verifiedSerial', row['reload_verified_serial']),
		...(row['reload_verified_at'] == null ? {} : { verifiedAt: instant(row['reload_verified_at']) }),
	};
}

/** The columns about a container, as far as they are filled. */
function toContainer(row: Row): { containerId?: string; containerName?: string; image?: string; imageId?: string } {
	return {
		...optional('containerId', row['container_id']),
		...optional('containerName', row['container_name']),
		...optional('image', row['image']),
		...optional('imageId', row['image_id']),
	};
}

export function toNode(row: Row): NodeRecord {
	return {
		name: row['name'] as string,
		status: row['status'] as NodeRecord['status'],
		allow: JSON.parse(row['allow'] as string) as string[],
		joinedAt: instant(row['joined_at']),
	};
}

export function instant(value: unknown): Date {
	return new Date(value as number);
}

export function bytes(value: unknown): Buffer {
	return Buffer.from(value as Uint8Array);
}

/** Absent rather than undefined or null. */
export function optional<Key extends string>(key: Key, value: unknown): { readonly [K in Key]?: string } {
	return (value == null ? {} : { [key]: value }) as { readonly [K in Key]?: string };
}

function toNames(row: Row): { commonName: string; organizationalUnit: string; dnsNames: string[] } {
	return {
		commonName: row['common_name'] as string,
		organizationalUnit: row['organizational_unit'] as string,
		dnsNames: JSON.parse(row['dns_names'] as string) as string[],
	};
}
