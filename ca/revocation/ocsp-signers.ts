/**
 * Delegated OCSP signers (RFC 6960 §4.2.2.2): for each generation a key that lives in the memory of
 * this instance and a certificate of its own, so that the key of the issuer signs no answers. The
 * certificate is short-lived, and says that nobody need ask about it.
 */

import { signCertificate } from '#common/x509/certificate.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { lintLeaf } from '#common/x509/lint.ts';
import type { OcspResponder } from '#common/x509/ocsp-response.ts';
import { ocspExtensions } from '#common/x509/profile.ts';
import { createSerial } from '#common/x509/serial.ts';
import type { Authority } from '../issuance/authorities.ts';
import { validity } from '../issuance/validity.ts';
import { SYSTEM } from '../store/records.ts';
import type { Store } from '../store/store.ts';

export interface OcspSigner extends OcspResponder {
	/** before this, which happens when the clock was set back, nobody takes it */
	readonly notBefore: Date;
	/** no answer may be used for longer */
	readonly notAfter: Date;
}

export interface OcspSigners {
	/** The present signer for what this authority has issued. */
	of(authority: Authority): Promise<OcspSigner>;
}

export interface OcspSignerDeps {
	readonly store: Pick<Store, 'addEvent'>;
	readonly clock: { now(): Date };
	readonly random: (bytes: number) => Uint8Array;
	/** O of the signer's subject */
	readonly environment: string;
	readonly backdateSeconds: number;
	/** of a signer's certificate */
	readonly lifetimeSeconds: number;
}

/** Makes a signer when it is first needed, and the next one at half of its life, so that answers have time in what is left. */
export function createOcspSigners(deps: OcspSignerDeps): OcspSigners {
	const { clock, lifetimeSeconds } = deps;
	const signers = new Map<number, Promise<OcspSigner>>();
	const isUsable = ({ notBefore, notAfter }: OcspSigner, issuerEnd: Date): boolean => {
		const now = clock.now().getTime();
		// The last one of an issuer that is about to end is as good as it gets.
		return notBefore.getTime() <= now && (now < notAfter.getTime() - lifetimeSeconds * 500 || notAfter >= issuerEnd);
	};
	return {
		async of(authority) {
			const { generation, issuer: { notAfter } } = authority;
			const known = signers.get(generation);
			const signer = await known?.catch(() => undefined);
			if (signer && isUsable(signer, notAfter)) return signer;
			// Somebody else may have begun while this one looked.
			if (signers.get(generation) === known) signers.set(generation, makeSigner(authority, deps));
			return signers.get(generation)!;
		},
	};
}

async function makeSigner({ issuer, generation }: Authority, deps: OcspSignerDeps): Promise<OcspSigner> {
	const { store, clock, random, environment, lifetimeSeconds, backdateSeconds } = deps;
	const now = clock.now();
	const key = generateSigningKey();
	const tbs = {
		serial: createSerial(random),
		subject: { commonName: 'birthmark-ocsp', organizationalUnit: 'birthmark-ca', organization: environment },
		publicKey: key.publicKey,
		...validity(now, lifetimeSeconds, backdateSeconds, issuer),
	};
	const extensions = ocspExtensions(key.publicKey, issuer.keyId);
	const certificate = signCertificate({ ...tbs, extensions }, issuer, (der) => lintLeaf(der, { tbs, names: { dnsNames: [] }, purposes: ['ocspSigning'] }, issuer));
	const details = { generation, notAfter: tbs.notAfter.toISOString() };
	await store.addEvent(SYSTEM, { at: now, action: 'ocsp-signer.issue', outcome: 'done', subject: tbs.serial, details });
	return { key, certificate, notBefore: tbs.notBefore, notAfter: tbs.notAfter };
}
