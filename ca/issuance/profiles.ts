/** Issuance profiles: what each kind of certificate is for, how long it lives, which keys it may be over and how it is named. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { WorkloadProfile } from '#common/protocol/messages.ts';
import { describeKey, KEY_TYPES, type KeyType } from '#common/x509/algorithms.ts';
import type { Purpose } from '#common/x509/extensions.ts';
import type { RawProfiles } from './profile-schema.ts';

export interface Profile {
	readonly name: string;
	readonly purposes: readonly Purpose[];
	readonly lifetimeSeconds: number;
	/** the most that may be asked for */
	readonly maximumSeconds: number;
	readonly keyTypes: readonly KeyType[];
	readonly rsaMinimumBits: number;
}

/** Of certificates whose names come from an authorization. */
export interface NamedProfile extends Profile {
	/** templates, see `name-template.ts`; without any, such certificates have no DNS names */
	readonly dnsNames: readonly string[];
	/** template */
	readonly spiffePath: string;
}

export type Profiles = Readonly<Record<WorkloadProfile, NamedProfile> & Record<'node' | 'operator' | 'server', Profile>>;

const PURPOSES: Readonly<Record<keyof Profiles, readonly Purpose[]>> = {
	workload: ['serverAuth', 'clientAuth'],
	client: ['clientAuth'],
	node: ['clientAuth'],
	operator: ['clientAuth'],
	server: ['serverAuth'],
};

export function createProfiles(raw: RawProfiles): Profiles {
	const { workload, client, node, operator, server } = raw;
	return {
		workload: complete('workload', workload),
		client: complete('client', { ...client, dnsNames: [] }),
		node: complete('node', { ...node, maximumSeconds: node.lifetimeSeconds }),
		operator: complete('operator', { ...operator, maximumSeconds: operator.lifetimeSeconds }),
		server: complete('server', { ...server, maximumSeconds: server.lifetimeSeconds, keyTypes: [...KEY_TYPES], rsaMinimumBits: 0 }),
	};
}

function complete<Raw extends Omit<Profile, 'name' | 'purposes'>>(name: keyof Profiles, raw: Raw): Raw & Profile {
	return { ...raw, name, purposes: PURPOSES[name] };
}

/**
 * @param publicKey SubjectPublicKeyInfo of a verified CSR
 * @throws BirthmarkError `csr-key-unsupported`, `csr-key-weak`
 */
export function requireKey({ name, keyTypes, rsaMinimumBits }: Profile, publicKey: Buffer): void {
	const { type, bits } = describeKey(publicKey);
	if (type !== 'P-256' && !keyTypes.includes(type)) {
		throw new BirthmarkError('csr-key-unsupported', `the profile "${name}" of this CA takes no ${type} keys; use P-256`);
	}
	if (type === 'RSA' && bits < rsaMinimumBits) {
		throw new BirthmarkError('csr-key-weak', `the RSA key has ${bits} bits; the profile "${name}" of this CA wants ${rsaMinimumBits}`);
	}
}

/** @throws BirthmarkError `request-malformed` when more was asked for than the profile gives */
export function requireLifetime({ name, lifetimeSeconds, maximumSeconds }: Profile, wanted: number | undefined): number {
	if (wanted === undefined) return lifetimeSeconds;
	if (wanted <= maximumSeconds) return wanted;
	throw new BirthmarkError('request-malformed', `a lifetime of ${wanted} seconds is more than this CA gives under the profile "${name}": ask for at most ${maximumSeconds}`);
}
