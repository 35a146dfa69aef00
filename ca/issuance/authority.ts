/** Making the CA: root, intermediate, the root's own revocation list. Runs once in a CA's life. */

import { signCertificate, signSelf, issuerOf } from '#common/x509/certificate.ts';
import { signRevocationList } from '#common/x509/crl.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { encodePem } from '#common/x509/pem.ts';
import { intermediateExtensions, rootExtensions } from '#common/x509/profile.ts';
import { createSerial } from '#common/x509/serial.ts';
import { validity } from './validity.ts';

const YEAR_SECONDS = 365.25 * 24 * 3600;
const ROOT_LIFETIME_SECONDS = 20 * YEAR_SECONDS;
const INTERMEDIATE_LIFETIME_SECONDS = 5 * YEAR_SECONDS;

/** What a new CA consists of, all PEM. */
export interface NewAuthority {
	readonly rootKey: string;
	/** the trust bundle, from now on these exact bytes */
	readonly bundle: string;
	readonly intermediateKey: string;
	readonly intermediate: string;
	/** the root's list: empty, valid as long as the intermediate, so that the root key can stay away */
	readonly rootRevocationList: string;
}

interface Deps {
	readonly clock: { now(): Date };
	readonly random: (bytes: number) => Uint8Array;
	readonly backdateSeconds: number;
}

/** @param trustDomain O of both subjects */
export async function createAuthority(trustDomain: string, { clock, random, backdateSeconds }: Deps): Promise<NewAuthority> {
	const rootKey = generateSigningKey();
	const root = await signSelf({
		serial: createSerial(random),
		subject: { commonName: 'Birthmark Root CA', organization: trustDomain },
		publicKey: rootKey.publicKey,
		...validity(clock.now(), ROOT_LIFETIME_SECONDS, backdateSeconds),
		extensions: rootExtensions(rootKey.publicKey),
	}, rootKey);

	const rootIssuer = issuerOf(root, rootKey);
	const intermediateKey = generateSigningKey();
	const intermediateValidity = validity(clock.now(), INTERMEDIATE_LIFETIME_SECONDS, backdateSeconds, rootIssuer.notAfter);
	const intermediate = await signCertificate({
		serial: createSerial(random),
		subject: { commonName: 'Birthmark Intermediate CA', organization: trustDomain },
		publicKey: intermediateKey.publicKey,
		...intermediateValidity,
		extensions: intermediateExtensions(intermediateKey.publicKey, rootIssuer.keyId),
	}, rootIssuer);

	const rootRevocationList = signRevocationList(
		{ number: 1, thisUpdate: intermediateValidity.notBefore, nextUpdate: intermediateValidity.notAfter, entries: [] },
		rootIssuer,
	);
	return {
		rootKey: exportSigningKey(rootKey),
		bundle: encodePem('CERTIFICATE', root),
		intermediateKey: exportSigningKey(intermediateKey),
		intermediate: encodePem('CERTIFICATE', intermediate),
		rootRevocationList: encodePem('X509 CRL', rootRevocationList),
	};
}
