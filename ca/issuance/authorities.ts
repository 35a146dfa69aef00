/**
 * What the CA signs with and what it is trusted by, at this moment: the one place to ask. Both change
 * while the CA runs (rotation), so nobody keeps a copy from one request to the next.
 */

import { bundleDigest } from '#common/protocol/token.ts';
import { issuerOf, type Issuer } from '#common/x509/certificate.ts';
import type { SigningKey } from '#common/x509/keys.ts';
import { decodePem } from '#common/x509/pem.ts';
import type { Store } from '../store/store.ts';
import type { AuthorityRecord, TrustRecord } from '../store/trust-records.ts';
import type { NewAuthority } from './authority.ts';
import type { KeyVault } from './key-vault.ts';
import { bundleOf, establish, isInUse, positionOf } from './rotation.ts';

/** One generation of the CA: an intermediate and the root that it is under. */
export interface Authority {
	/** from 1; every certificate records which one issued it */
	readonly generation: number;
	readonly issuer: Issuer;
	/** DER */
	readonly certificate: Buffer;
	/** DER */
	readonly root: Buffer;
	/** what follows a leaf of this generation in its chain, PEM: the intermediate, and the cross-certificate of its root while others still trust the one before */
	readonly chainPem: string;
	/** its root's list of revoked CA certificates, PEM */
	readonly rootRevocationList: string;
}

export interface TrustState {
	/** issues every new certificate */
	readonly active: Authority;
	/** every generation whose certificates may be alive, or will be as soon as it is activated; the active one is among them */
	readonly all: readonly Authority[];
	/** the trust bundle, PEM: these exact bytes */
	readonly bundle: Buffer;
	/** SHA-256 over {@link bundle} */
	readonly digest: Buffer;
	/** of every bundle whose tokens are good: the present one and those before it that still lead to a root of the present one */
	readonly acceptedDigests: readonly Buffer[];
	/** the same bundles by their digests, hexadecimal */
	readonly bundles: ReadonlyMap<string, Buffer>;
}

export interface Authorities {
	/** Another object whenever anything in it has changed. */
	current(): TrustState;
	/** Looks whether this or another instance has changed the state, and takes the change over. */
	refresh(): Promise<void>;
}

export interface AuthoritiesDeps {
	readonly store: Pick<Store, 'trustVersion' | 'readTrust'>;
	readonly vault: KeyVault;
}

/** Of everything in use: what a transaction looks at to see whether this state is still the present one. */
export function generationsOf({ all }: Pick<TrustState, 'all'>): number[] {
	return all.map(({ generation }) => generation);
}

/** @throws BirthmarkError `ca-missing` when the store holds no CA; `config-invalid` when its keys cannot be decrypted */
export async function openAuthorities({ store, vault }: AuthoritiesDeps): Promise<Authorities> {
	const keys = new Map<number, SigningKey>();
	let version = -1;
	const load = async (): Promise<TrustState> => {
		const trust = await store.readTrust();
		for (const { generation, intermediateKey } of trust.authorities.filter(isInUse)) {
			if (!keys.has(generation)) keys.set(generation, await vault.decrypt(intermediateKey!));
		}
		const state = trustState(trust, keys);
		version = trust.version;
		return state;
	};
	let state = await load();
	let last: Promise<void> = Promise.resolve();
	let next: Promise<void> | undefined;
	const look = async (): Promise<void> => {
		next = undefined;
		if ((await store.trustVersion()) !== version) state = await load();
	};
	return {
		current: () => state,
		// Whoever asks while a look is under way may want to see what was changed since that began: the next one is for all of those.
		refresh: () => next ??= last = last.then(look, look),
	};
}

/** The authorities of a CA that never changes. */
export function onlyAuthority({ generation, root, intermediate, intermediateKey, rootRevocationList }: NewAuthority): Authorities {
	const at = new Date(0);
	const record: AuthorityRecord = {
		generation, state: 'active', isManual: false, root: root.certificate, intermediate, rootRevocationList, createdAt: at, changedAt: at,
	};
	const state = trustState(establish(record), new Map([[generation, intermediateKey]]));
	return { current: () => state, refresh: async () => undefined };
}

function trustState(trust: TrustRecord, keys: ReadonlyMap<number, SigningKey>): TrustState {
	const inUse = trust.authorities.filter(isInUse);
	const all = inUse.map((record) => toAuthority(record, trust.authorities, keys.get(record.generation)!));
	const { active: { generation } } = positionOf(trust);
	const text = bundleOf(trust.authorities);
	const bundle = Buffer.from(text);
	const roots = new Set(inUse.map(({ root }) => root));
	const accepted = trust.bundles.filter((known) => [...roots].some((root) => known.bundle.includes(root)));
	return {
		active: all.find((authority) => authority.generation === generation)!,
		all,
		bundle,
		digest: bundleDigest(bundle),
		acceptedDigests: accepted.map(({ digest }) => digest),
		bundles: new Map(accepted.map((known) => [known.digest.toString('hex'), Buffer.from(known.bundle)])),
	};
}

/** @param others all there ever were */
function toAuthority(record: AuthorityRecord, others: readonly AuthorityRecord[], key: SigningKey): Authority {
	const { generation, root, intermediate, crossCertificate } = record;
	const certificate = decodePem('CERTIFICATE', intermediate)![0]!;
	// Of use only to those who trust the root that signed it, which is one before this one.
	const isCrossNeeded = crossCertificate !== undefined && others.some((other) => isInUse(other) && other.root !== root && other.generation < generation);
	// Also of one that is out of use, or the root's list would go back to an earlier number.
	const newestOfRoot = others.findLast((other) => other.root === root)!;
	return {
		generation,
		issuer: issuerOf(certificate, key),
		certificate,
		root: decodePem('CERTIFICATE', root)![0]!,
		chainPem: intermediate + (isCrossNeeded ? crossCertificate : ''),
		rootRevocationList: newestOfRoot.rootRevocationList,
	};
}
