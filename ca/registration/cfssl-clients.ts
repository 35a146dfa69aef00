/**
 * Who may have certificates signed over the cfssl protocol: entries of `cfssl.clients`. A caller is
 * known either by a certificate of this CA or by one of a CA that its entry names, such as the one
 * that a Docker Swarm begins with; what counts then is its subject.
 */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { printable } from '#common/protocol/names.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';
import { matches } from './allow.ts';

/** ub-common-name, ub-organization-name, ub-organizational-unit-name */
const MAX_NAME_LENGTH = 64;

export interface CfsslClientConfig {
	readonly name: string;
	/** PEM; null: only certificates of this CA count */
	readonly clientCaFile: string | null;
	/** patterns for the subject of the caller */
	readonly commonName: string;
	readonly organizationalUnit: string;
	readonly organization: string;
	/** what it may ask for: `name-pattern/ou-pattern` for the CN and for every host */
	readonly allow: readonly string[];
	/** patterns for the O that it may ask for; its own when there are none */
	readonly allowOrganizations: readonly string[];
	/** of what it gets; null: that of workloads */
	readonly lifetimeSeconds: number | null;
}

export interface Subject {
	readonly commonName: string;
	readonly organizationalUnit: string;
	readonly organization: string;
}

export interface CfsslClients {
	/** the CA certificates of all entries, PEM, for the TLS listener to accept; empty when there are none */
	readonly trust: Buffer;
	/**
	 * Whether this certificate, whose chain the TLS listener has validated, was issued by a CA that an
	 * entry names. Directly: which of many anchors a longer chain ended in could not be told.
	 */
	identify(presented: X509Certificate): Subject | undefined;
	/** @throws BirthmarkError `forbidden` when no entry is for such a caller */
	permission(caller: Subject, presented: X509Certificate | undefined): CfsslClientConfig;
}

/** @throws BirthmarkError `config-invalid` when a CA file cannot be read */
export function openCfsslClients(entries: readonly CfsslClientConfig[]): CfsslClients {
	const clients = entries.map((entry) => ({ entry, authorities: entry.clientCaFile === null ? undefined : readAuthorities(entry.clientCaFile, entry.name) }));
	const isIssuedBy = (presented: X509Certificate, authorities: readonly X509Certificate[] | undefined): boolean =>
		authorities?.some((authority) => presented.checkIssued(authority) && presented.verify(authority.publicKey)) ?? false;
	return {
		trust: Buffer.from(clients.flatMap(({ authorities = [] }) => authorities.map((authority) => encodePem('CERTIFICATE', authority.raw))).join('')),
		identify: (presented) => (clients.some(({ authorities }) => isIssuedBy(presented, authorities)) ? subjectOf(presented) : undefined),
		permission(caller, presented) {
			const client = clients.find(({ entry, authorities }) => (presented === undefined || isIssuedBy(presented, authorities))
				&& matches(entry.commonName, caller.commonName)
				&& matches(entry.organizationalUnit, caller.organizationalUnit)
				&& matches(entry.organization, caller.organization));
			if (!client) throw new BirthmarkError('forbidden', 'no entry of cfssl.clients is for this client certificate');
			return client.entry;
		},
	};
}

function readAuthorities(path: string, name: string): X509Certificate[] {
	try {
		const certificates = (decodePem('CERTIFICATE', readFileSync(path, 'latin1')) ?? []).map((der) => new X509Certificate(der));
		if (certificates.length > 0 && certificates.every(({ ca }) => ca)) return certificates;
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `the client CA of cfssl.clients "${name}" cannot be read from ${path} (${(cause as Error).message})`, { cause });
	}
	throw new BirthmarkError('config-invalid', `${path} of cfssl.clients "${name}" does not hold CA certificates in PEM and nothing else`);
}

/** Only a subject that says each of the three once says anything, in words that logs can hold. */
function subjectOf(certificate: X509Certificate): Subject | undefined {
	const { CN, OU, O } = certificate.toLegacyObject().subject as Readonly<Record<string, unknown>>;
	if (!isReadable(CN) || !isReadable(OU) || !isReadable(O)) return undefined;
	return { commonName: CN, organizationalUnit: OU, organization: O };
}

/** Within the bounds of RFC 5280 appendix A. */
function isReadable(value: unknown): value is string {
	return typeof value === 'string' && value.length <= MAX_NAME_LENGTH && printable(value) === value;
}
