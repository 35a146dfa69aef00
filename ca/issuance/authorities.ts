/**
 * What the CA signs with and what it is trusted by, at this moment: the one place to ask. Both change
 * while the CA runs (rotation), so nobody keeps a copy from one request to the next.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { issuerOf, type Issuer } from '#common/x509/certificate.ts';
import { importSigningKey } from '#common/x509/keys.ts';
import { decodePem } from '#common/x509/pem.ts';
import type { NewAuthority } from './authority.ts';

/** One generation of the CA: an intermediate and the root that it is under. */
export interface Authority {
	/** from 1; every certificate records which one issued it */
	readonly generation: number;
	readonly issuer: Issuer;
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
	/** of every bundle whose tokens are good: the present one and those before it that still lead to the active root */
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

/**
 * The authorities of a CA that has one generation.
 *
 * @throws BirthmarkError `ca-missing` when there is not exactly one intermediate
 */
export function onlyAuthority({ bundle: text, intermediate, intermediateKey, rootRevocationList }: Omit<NewAuthority, 'rootKey'>): Authorities {
	const [certificate, ...more] = decodePem('CERTIFICATE', intermediate) ?? [];
	if (!certificate || more.length > 0) throw new BirthmarkError('ca-missing', 'the file of the intermediate certificate does not hold exactly one certificate');
	const active = { generation: 1, issuer: issuerOf(certificate, importSigningKey(intermediateKey)), chainPem: intermediate, rootRevocationList };
	const bundle = Buffer.from(text);
	const digest = bundleDigest(bundle);
	const state: TrustState = { active, all: [active], bundle, digest, acceptedDigests: [digest], bundles: new Map([[digest.toString('hex'), bundle]]) };
	return { current: () => state, refresh: async () => undefined };
}
