/**
 * Making certificates (RFC 5280 §4.1), written directly as DER: see
 * `docs/adr/0010-certificates-are-encoded-here.md`.
 */

import { X509Certificate } from 'node:crypto';
import { CA_SIGNATURE_ALGORITHM } from './algorithms.ts';
import { decodeCertificate } from './certificate-decode.ts';
import { contextTag, encode, encodeInteger, encodeTime, Tag } from './der.ts';
import { encodeSubject, type Subject } from './distinguished-name.ts';
import { OID, type Extension, type NameConstraints, type Pointers } from './extensions.ts';
import type { SigningKey } from './keys.ts';
import { lintAuthority } from './lint-authority.ts';
import { decodeNameConstraints } from './name-constraints.ts';
import { crossExtensions, intermediateExtensions, rootExtensions, type IntermediateOptions } from './profile.ts';
import { keyIdentifier } from './public-key.ts';
import { encodeSigned } from './signed.ts';

export interface ToBeSigned {
	/** 32 hexadecimal digits, see `serial.ts` */
	readonly serial: string;
	readonly subject: Subject;
	/** SubjectPublicKeyInfo, DER */
	readonly publicKey: Buffer;
	/** whole seconds */
	readonly notBefore: Date;
	/** whole seconds */
	readonly notAfter: Date;
	readonly extensions: readonly Extension[];
}

export interface Issuer {
	readonly key: SigningKey;
	/** its subject, DER, copied byte for byte into what it issues (RFC 5280 §4.1.2.4) */
	readonly name: Buffer;
	readonly keyId: Buffer;
	readonly notBefore: Date;
	readonly notAfter: Date;
	/** which names it may give */
	readonly constraints: NameConstraints;
}

const VERSION_3 = encode(contextTag(0), encodeInteger(Buffer.of(2)));

/** @returns TBSCertificate, DER: everything but the signature */
export function encodeTbs(tbs: ToBeSigned, issuerName: Buffer): Buffer {
	return encodeParts(tbs, encodeSubject(tbs.subject), issuerName);
}

function encodeParts(tbs: Omit<ToBeSigned, 'subject'>, subject: Buffer, issuerName: Buffer): Buffer {
	return encode(
		Tag.sequence,
		VERSION_3,
		encodeInteger(Buffer.from(tbs.serial, 'hex')),
		CA_SIGNATURE_ALGORITHM,
		issuerName,
		encode(Tag.sequence, encodeTime(tbs.notBefore), encodeTime(tbs.notAfter)),
		subject,
		tbs.publicKey,
		encode(contextTag(3), encode(Tag.sequence, ...tbs.extensions)),
	);
}

/** Looks at a TBSCertificate, DER, and throws when nobody may sign it. */
export type Lint = (tbs: Buffer) => void;

/** @returns the certificate, DER */
export function signCertificate(tbs: ToBeSigned, issuer: Pick<Issuer, 'key' | 'name'>, lint: Lint): Buffer {
	return signLinted(encodeTbs(tbs, issuer.name), issuer.key, lint);
}

/**
 * A root: subject and issuer are the same, so are the key that it carries and the one that signs.
 *
 * @returns DER
 */
export function signSelf(input: Omit<ToBeSigned, 'extensions'>, key: SigningKey): Buffer {
	const subject = encodeSubject(input.subject);
	const tbs = { ...input, extensions: rootExtensions(input.publicKey) };
	return signCertificate(tbs, { key, name: subject }, (der) => lintAuthority(der, { kind: 'root', tbs, subject }));
}

/**
 * An intermediate, which issues leaves only.
 *
 * @returns DER
 */
export function signIntermediate(input: Omit<ToBeSigned, 'extensions'>, options: IntermediateOptions, issuer: Issuer): Buffer {
	const tbs = { ...input, extensions: intermediateExtensions(input.publicKey, issuer.keyId, options) };
	return signCertificate(tbs, issuer, (der) => lintAuthority(der, { kind: 'intermediate', tbs, subject: encodeSubject(tbs.subject), ...options }, issuer));
}

/**
 * A new root under an old one: name and key are taken from the new root, so that chains which end
 * there go on to the old root.
 *
 * @param root the new root's certificate, DER
 * @param tbs the rest; see `crossExtensions`
 * @returns DER
 */
export function signCross(root: Buffer, tbs: Pick<ToBeSigned, 'serial' | 'notBefore' | 'notAfter'> & { readonly pointers?: Pointers }, issuer: Issuer): Buffer {
	const { subject, publicKey } = decodeCertificate(root);
	const { pointers, ...rest } = tbs;
	const whole = { ...rest, publicKey, extensions: crossExtensions(publicKey, issuer.keyId, pointers) };
	return signLinted(encodeParts(whole, subject, issuer.name), issuer.key, (der) => lintAuthority(der, { kind: 'cross', tbs: whole, subject, ...(pointers && { pointers }) }, issuer));
}

function signLinted(tbs: Buffer, key: SigningKey, lint: Lint): Buffer {
	lint(tbs);
	return encodeSigned(tbs, key);
}

/** What is needed to issue under a CA certificate; the key must belong to it. */
export function issuerOf(certificate: Buffer, key: SigningKey): Issuer {
	if (!new X509Certificate(certificate).checkPrivateKey(key.privateKey)) throw new TypeError('the key does not belong to the certificate of the issuer');
	const { subject, notBefore, notAfter, extensions } = decodeCertificate(certificate);
	const constraints = decodeNameConstraints(extensions.get(OID.nameConstraints)?.value);
	return { key, name: subject, keyId: keyIdentifier(key.publicKey), notBefore, notAfter, constraints };
}
