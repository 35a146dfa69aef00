/**
 * Making a generation of the CA: a root, an intermediate under it, and the root's own revocation
 * list. Once for a new CA, and once for every rotation.
 */

import { issuerOf, signCross, signIntermediate, signSelf, type Issuer } from '#common/x509/certificate.ts';
import { signRevocationList, type RevokedCertificate } from '#common/x509/crl.ts';
import { generateSigningKey, type SigningKey } from '#common/x509/keys.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';
import { createSerial } from '#common/x509/serial.ts';
import type { AuthorityProfile } from './authority-profile.ts';
import { validity } from './validity.ts';

export interface Root {
	/** PEM */
	readonly certificate: string;
	readonly key: SigningKey;
}

/** Certificates and lists PEM, keys not encrypted. */
export interface NewAuthority {
	readonly generation: number;
	readonly root: Root;
	/** the new root under the one before, for those who know only that one */
	readonly crossCertificate?: string;
	readonly intermediate: string;
	readonly intermediateKey: SigningKey;
	/** valid as long as the intermediate, so that the root key can stay away */
	readonly rootRevocationList: string;
}

export interface AuthorityDeps {
	readonly clock: { now(): Date };
	readonly random: (bytes: number) => Uint8Array;
	readonly backdateSeconds: number;
	/** O of every subject */
	readonly trustDomain: string;
	readonly profile: AuthorityProfile;
	/** CRLNumber of the root's list, higher than any that was taken before; 1 for a new CA */
	readonly rootListNumber?: number;
}

/** @param before the root whose place the new one is going to take; absent for a new CA, and when it is not to be trusted any more */
export function createAuthority(generation: number, deps: AuthorityDeps, before?: Root & { readonly generation: number }): NewAuthority {
	const { clock, random, backdateSeconds, trustDomain, profile } = deps;
	const key = generateSigningKey();
	const period = validity(clock.now(), profile.rootLifetimeSeconds, backdateSeconds);
	const root = signSelf({
		serial: createSerial(random),
		subject: { commonName: numbered('Birthmark Root CA', generation), organization: trustDomain },
		publicKey: key.publicKey,
		...period,
	}, key);
	const authority = createIntermediate(generation, { certificate: encodePem('CERTIFICATE', root), key }, deps);
	const old = before && rootIssuer(before);
	// Nobody goes by a root that has expired.
	if (!before || !old || old.notAfter <= clock.now()) return authority;

	const { notBefore } = period;
	const notAfter = earlier(period.notAfter, old.notAfter);
	const cross = signCross(root, { serial: createSerial(random), notBefore, notAfter, pointers: profile.pointersTo(before.generation) }, old);
	return { ...authority, crossCertificate: encodePem('CERTIFICATE', cross) };
}

/** @param revoked intermediates of the same root that its list has to name */
export function createIntermediate(generation: number, root: Root, deps: AuthorityDeps, revoked: readonly RevokedCertificate[] = []): NewAuthority {
	const { clock, random, backdateSeconds, trustDomain, profile, rootListNumber = 1 } = deps;
	const issuer = rootIssuer(root);
	const intermediateKey = generateSigningKey();
	const period = validity(clock.now(), profile.intermediateLifetimeSeconds, backdateSeconds, issuer);
	const intermediate = signIntermediate({
		serial: createSerial(random),
		subject: { commonName: numbered('Birthmark Intermediate CA', generation), organization: trustDomain },
		publicKey: intermediateKey.publicKey,
		...period,
	}, { constraints: profile.constraints, pointers: profile.pointersTo(generation) }, issuer);
	const list = signRevocationList({ number: rootListNumber, thisUpdate: period.notBefore, nextUpdate: period.notAfter, entries: revoked }, issuer);
	return {
		generation,
		root,
		intermediate: encodePem('CERTIFICATE', intermediate),
		intermediateKey,
		rootRevocationList: encodePem('X509 CRL', list),
	};
}

/** @throws TypeError when the key is not that of the root */
export function rootIssuer({ certificate, key }: Root): Issuer {
	return issuerOf(decodePem('CERTIFICATE', certificate)![0]!, key);
}

/** Names of their own, because verifiers look for an issuer by its name first. */
function numbered(name: string, generation: number): string {
	return generation === 1 ? name : `${name} ${generation}`;
}

function earlier(one: Date, other: Date): Date {
	return one < other ? one : other;
}
