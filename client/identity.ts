/**
 * The identity of this container as it is published right now: key, chain, trust bundle and
 * revocation lists that belong together (docs/configuration.md, the identity volume).
 */

import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createSecureContext, type SecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { invalidCertificate } from '#common/x509/svid.ts';
import { partyOf, type Party } from './party.ts';
import { revokedSerials } from './revoked.ts';

export interface ReadOptions {
	/** refuse peers that the CA has revoked */
	readonly crl: boolean;
	readonly minVersion: SecureVersion;
}

/** Each publication replaces the one before the last, so a reader that is overtaken again and again is not on a real volume. */
const MAX_ATTEMPTS = 100;

/** One generation. It never changes; a renewal, another bundle or another revocation list makes the next. */
export class Identity implements Party {
	declare readonly spiffeId: string;
	declare readonly trustDomain: string;
	declare readonly commonName: string;
	declare readonly organizationalUnit: string;
	declare readonly organization: string;
	declare readonly dnsNames: readonly string[];
	declare readonly serial: string;
	declare readonly notBefore: Date;
	declare readonly notAfter: Date;
	declare readonly isWorkload: boolean;
	/** PEM, leaf first */
	readonly chain: string;
	/** PEM, the roots that are trusted */
	readonly bundle: string;
	/** PEM; undefined when the watch was told to go without */
	readonly crl: string | undefined;
	/** for `tls.connect` and everything that takes one */
	readonly secureContext: SecureContext;
	// Private, so that neither a log nor JSON.stringify has it by accident.
	readonly #key: string;
	readonly #minVersion: SecureVersion;
	readonly #revoked: ReadonlySet<string>;

	/** @throws BirthmarkError `certificate-invalid` when the parts do not belong together */
	constructor({ identity, bundle, crl, minVersion }: { identity: string; bundle: string; crl: string | undefined; minVersion: SecureVersion }) {
		const at = identity.indexOf('-----BEGIN CERTIFICATE-----');
		this.#key = identity.slice(0, at);
		this.chain = identity.slice(at);
		this.bundle = bundle;
		this.crl = crl;
		this.#minVersion = minVersion;
		this.#revoked = crl === undefined ? new Set() : revokedSerials(crl);
		try {
			const leaf = new X509Certificate(this.chain);
			if (!leaf.checkPrivateKey(createPrivateKey(this.#key))) throw invalidCertificate('its key is another one');
			Object.assign(this, partyOf(leaf));
			this.secureContext = createSecureContext(this.tlsOptions);
		} catch (cause) {
			throw cause instanceof BirthmarkError ? cause : invalidCertificate('the files of the identity cannot be parsed', cause);
		}
	}

	/** PKCS#8 PEM */
	get key(): string {
		return this.#key;
	}

	/** What `tls.createSecureContext` and `server.setSecureContext` take. */
	get tlsOptions(): SecureContextOptions {
		return {
			key: this.#key,
			cert: this.chain,
			ca: this.bundle,
			// With lists OpenSSL checks the whole chain: the file holds those of root and intermediate. One by one, for
			// older versions of Node take the first of a file only.
			...(this.crl !== undefined && { crl: this.crl.split(/(?<=-----END X509 CRL-----)\s*/).filter((list) => list !== '') }),
			minVersion: this.#minVersion,
			// Who resumes a session is not asked for a certificate again; who shakes hands again, as TLS 1.2 can, may show
			// another one than was verified.
			secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
		};
	}

	get isExpired(): boolean {
		return Date.now() >= this.notAfter.getTime();
	}

	/** @param serial as in {@link Party.serial} */
	isRevoked(serial: string): boolean {
		return this.#revoked.has(serial);
	}

	/** The same key, chain and bundle? The revocation list may be another one: it changes what is accepted, and nothing that is shown. */
	isSamePublication(other: Identity): boolean {
		return this.#key === other.#key && this.chain === other.chain && this.bundle === other.bundle;
	}
}

/**
 * Reads one whole generation, resolved once, and the revocation lists beside it.
 *
 * @throws BirthmarkError `identity-missing` when there is none yet, `directory-unusable`, `certificate-invalid`
 */
export function readIdentity(directory: string, { crl, minVersion }: ReadOptions): Identity {
	for (let attempt = 1; ; attempt++) {
		const generation = readPart(directory, () => readlinkSync(join(directory, VolumeFile.current)));
		try {
			return new Identity({
				identity: readFileSync(join(directory, generation, VolumeFile.identity), 'utf8'),
				bundle: readFileSync(join(directory, generation, VolumeFile.bundle), 'utf8'),
				crl: crl ? readPart(directory, () => readFileSync(join(directory, VolumeFile.revocationList), 'utf8')) : undefined,
				minVersion,
			});
		} catch (cause) {
			if (cause instanceof BirthmarkError) throw cause;
			// Two publications within this read: the generation is gone, and another is there.
			if (systemCode(cause) !== 'ENOENT' || attempt === MAX_ATTEMPTS) throw describe(directory, cause);
			if (readPart(directory, () => readlinkSync(join(directory, VolumeFile.current))) === generation) throw describe(directory, cause);
		}
	}
}

function readPart(directory: string, read: () => string): string {
	try {
		return read();
	} catch (cause) {
		throw describe(directory, cause);
	}
}

function describe(directory: string, cause: unknown): BirthmarkError {
	const code = systemCode(cause);
	if (code === 'ENOENT') {
		const missing = basename((cause as NodeJS.ErrnoException).path ?? VolumeFile.identity);
		return new BirthmarkError('identity-missing', `there is no whole identity in ${directory} (${missing} is missing): start the program with birthmark-agent exec`, { cause });
	}
	return new BirthmarkError('directory-unusable', `the identity in ${directory} cannot be read (${code}): run the program as the user it was made for`, { cause });
}

export function systemCode(cause: unknown): string {
	return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown failure';
}
