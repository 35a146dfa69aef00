/** Signing for others who speak the cfssl protocol, within what their entry of `cfssl.clients` allows. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkDnsName, checkName, quote } from '#common/protocol/names.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { workloadIdentity, type Domain } from '../issuance/identity.ts';
import type { Issue } from '../issuance/issue.ts';
import type { Actor, CertificateRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { isAllowed, matches } from './allow.ts';
import type { CfsslClientConfig, Subject } from './cfssl-clients.ts';

export interface CfsslSignDeps {
	readonly store: Pick<Store, 'addCertificate'>;
	readonly issue: Issue;
	readonly domain: Domain;
}

export interface CfsslOrder {
	/** PEM */
	readonly csr: string;
	readonly subject: Subject;
	readonly hosts: readonly string[];
}

/**
 * The names are those of the order, never those of the CSR, which gives its public key and the proof
 * that somebody holds the private one.
 *
 * @returns a function that issues one certificate for a client of that entry; it throws `name-illegal`, `name-not-allowed`, `csr-…`
 */
export function createCfsslSign({ store, issue, domain }: CfsslSignDeps) {
	return async (client: CfsslClientConfig, caller: Subject, { csr, subject, hosts }: CfsslOrder, by: Actor): Promise<CertificateRecord> => {
		const organization = checkName('environment', subject.organization);
		const { allowOrganizations } = client;
		// The caller's own is what another CA has written, and no pattern.
		const isItsOwn = allowOrganizations.length === 0 && organization === caller.organization;
		if (!isItsOwn && !allowOrganizations.some((pattern) => matches(pattern, organization))) throw refused(client, organization, subject.organizationalUnit);
		const commonName = checkName('common name', subject.commonName);
		const organizationalUnit = checkName('role', subject.organizationalUnit);
		const identityFor = (dnsNames: readonly string[]) => workloadIdentity({ commonName, organizationalUnit, dnsNames }, { ...domain, environment: organization });
		// The one URI that a certificate with these names has anyway may be asked for, as cfssl asks for it.
		const { spiffeId } = identityFor([]);
		const dnsNames = [...new Set(hosts.filter((host) => host !== spiffeId).map(checkDnsName))].filter((host) => host !== commonName);
		for (const name of [commonName, ...dnsNames]) {
			if (!isAllowed(name, organizationalUnit, client.allow)) throw refused(client, name, organizationalUnit);
		}
		const identity = identityFor(dnsNames);
		const { lifetimeSeconds } = client;
		const certificate = await issue({
			// What the operator wrote into the entry counts, not what workloads may ask for.
			identity: lifetimeSeconds === null ? identity : { ...identity, profile: { ...identity.profile, lifetimeSeconds, maximumSeconds: lifetimeSeconds } },
			key: verifyCsr(Buffer.from(csr)),
			origin: { cfsslClient: client.name },
		});
		await store.addCertificate(certificate, by);
		return certificate;
	};
}

export type CfsslSign = ReturnType<typeof createCfsslSign>;

function refused(client: CfsslClientConfig, name: string, role: string): BirthmarkError {
	return new BirthmarkError('name-not-allowed', `cfssl.clients "${client.name}" may not have ${quote(name)} with role ${quote(role)}`);
}
