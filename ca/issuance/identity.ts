/**
 * Which names a certificate of each role carries: the one place where a name of the registry becomes
 * subject and alternative names.
 *
 * Only workloads can be servers to one another. The certificates of nodes and operators carry no
 * DNS name and are for clients only: some verifiers fall back to the CN when there is no DNS name,
 * and a node called `api01` must not pass for the service `api01`.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME, type Names, type Role, type WorkloadProfile } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';
import { spiffeId } from '#common/protocol/spiffe-id.ts';
import type { Issuer } from '#common/x509/certificate.ts';
import { findForbiddenName } from '#common/x509/name-constraints.ts';
import { expandDnsTemplates, expandPathTemplate } from './name-template.ts';
import type { Profile, Profiles } from './profiles.ts';

export interface Identity extends Names {
	readonly role: Role;
	readonly profile: Profile;
	readonly organization: string;
	readonly spiffeId: string;
	/** every DNS alternative name: those of the profile's templates, the CN first, then {@link Names.dnsNames} */
	readonly alternativeNames: readonly string[];
}

export interface Domain {
	readonly trustDomain: string;
	readonly environment: string;
	/** what is issued in it; they may change while the CA runs, so nobody keeps one */
	readonly profiles: Profiles;
}

/**
 * @param names checked
 * @throws BirthmarkError `name-illegal` when a template of the profile makes no host name of them
 * @throws BirthmarkError `name-not-allowed` for DNS names under a profile without, and for those that a template makes for others
 */
export function workloadIdentity(names: Names & { readonly profile?: WorkloadProfile }, { trustDomain, environment, profiles }: Domain): Identity {
	const { commonName, organizationalUnit, dnsNames } = names;
	const profile = profiles[names.profile ?? 'workload'];
	if (profile.dnsNames.length === 0 && dnsNames.length > 0) {
		throw new BirthmarkError('name-not-allowed', `certificates of the profile "${profile.name}" carry no DNS names: ask for none, or for another profile`);
	}
	const values = { commonName, organizationalUnit, organization: environment, trustDomain };
	return {
		role: 'workload',
		profile,
		commonName,
		organizationalUnit,
		dnsNames,
		organization: environment,
		spiffeId: spiffeId(trustDomain, expandPathTemplate(profile.spiffePath, values)),
		alternativeNames: expandDnsTemplates(profile.dnsNames, values, dnsNames),
	};
}

/**
 * What no intermediate would sign is refused before anybody waits for it.
 *
 * @throws BirthmarkError `name-not-allowed`
 */
export function requirePermitted({ commonName, alternativeNames, spiffeId: id }: Identity, { constraints }: Pick<Issuer, 'constraints'>): void {
	const name = findForbiddenName(constraints, { dnsNames: alternativeNames, spiffeId: id }, commonName);
	if (name === undefined) return;
	const { dnsDomains = [], uriHost = '' } = constraints;
	const permitted = name === id ? `URIs of ${uriHost}` : `names in ${dnsDomains.join(', ')}`;
	throw new BirthmarkError('name-not-allowed', `the name constraints of this CA permit only ${permitted}, and ${quote(name)} is none`);
}

export function memberIdentity(role: 'node' | 'operator', name: string, domain: Domain): Identity {
	return { ...ownIdentity(role, name, name, domain), profile: domain.profiles[role], alternativeNames: [] };
}

/** @param names DNS names beside the one that our own clients ask for */
export function serverIdentity(domain: Domain, names: readonly string[] = []): Identity {
	return { ...ownIdentity('ca', CA_SERVER_NAME, 'server', domain), profile: domain.profiles.server, alternativeNames: [...new Set([CA_SERVER_NAME, ...names])] };
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
