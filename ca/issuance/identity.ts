/**
 * Which names and purposes a certificate of each role carries: the one place where a name of the
 * registry becomes subject and alternative names.
 *
 * Only workloads can be servers to one another. The certificates of nodes and operators carry no
 * DNS name and are for clients only: some verifiers fall back to the CN when there is no DNS name,
 * and a node called `api01` must not pass for the service `api01`.
 */

import { CA_SERVER_NAME, type Names, type Role } from '#common/protocol/messages.ts';
import { spiffeId } from '#common/protocol/spiffe-id.ts';
import type { Purpose } from '#common/x509/extensions.ts';

export interface Identity extends Names {
	readonly role: Role;
	readonly organization: string;
	readonly spiffeId: string;
	readonly purposes: readonly Purpose[];
	/** every DNS alternative name: for workloads the CN first, then {@link Names.dnsNames} */
	readonly alternativeNames: readonly string[];
}

export interface Domain {
	readonly trustDomain: string;
	readonly environment: string;
}

export function workloadIdentity({ commonName, organizationalUnit, dnsNames }: Names, { trustDomain, environment }: Domain): Identity {
	return {
		role: 'workload',
		commonName,
		organizationalUnit,
		dnsNames,
		organization: environment,
		spiffeId: spiffeId(trustDomain, [environment, organizationalUnit, commonName]),
		purposes: ['serverAuth', 'clientAuth'],
		alternativeNames: [...new Set([commonName, ...dnsNames])],
	};
}

export function memberIdentity(role: 'node' | 'operator', name: string, domain: Domain): Identity {
	return { ...ownIdentity(role, name, name, domain), purposes: ['clientAuth'], alternativeNames: [] };
}

export function serverIdentity(domain: Domain): Identity {
	return { ...ownIdentity('ca', CA_SERVER_NAME, 'server', domain), purposes: ['serverAuth'], alternativeNames: [CA_SERVER_NAME] };
}

/** Birthmark's own parts: reserved names that no container can get. */
function ownIdentity(role: 'node' | 'operator' | 'ca', commonName: string, name: string, { trustDomain, environment }: Domain) {
	return {
		role,
		commonName,
		organizationalUnit: `birthmark-${role}`,
		dnsNames: [],
		organization: environment,
		spiffeId: spiffeId(trustDomain, ['birthmark', role, name]),
	};
}
