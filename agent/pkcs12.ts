/**
 * PKCS#12 files (RFC 7292) as Java, .NET and OpenSSL read them: a key store with key and chain, a trust store
 * with the trust bundle. The key is encrypted as the TLS library does it (PBES2, RFC 8018); certificates are
 * public and lie there as they are; the whole is sealed with HMAC-SHA-256. The password lies beside the
 * files, which are as secret as it is: it is there because these readers want one.
 */

import { createHash, createHmac, createPrivateKey, randomBytes } from 'node:crypto';
import { contextTag, encode, encodeNumber, encodeOid, Tag } from '#common/x509/der.ts';
import { decodePem } from '#common/x509/pem.ts';
import { pkcs12Key, Purpose } from './pkcs12-kdf.ts';

const Oid = {
	data: '1.2.840.113549.1.7.1',
	shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
	certBag: '1.2.840.113549.1.12.10.1.3',
	x509Certificate: '1.2.840.113549.1.9.22.1',
	friendlyName: '1.2.840.113549.1.9.20',
	localKeyId: '1.2.840.113549.1.9.21',
	/** Oracle's: Java takes a certificate for trusted only with it (JDK, sun.security.pkcs12.PKCS12KeyStore) */
	trustedKeyUsage: '2.16.840.1.113894.746875.1.1',
	anyExtendedKeyUsage: '2.5.29.37.0',
	sha256: '2.16.840.1.101.3.4.2.1',
} as const;

/** The alias of the key in Java's words. */
export const KEY_ALIAS = 'identity';
const CIPHER = 'aes-256-cbc';
const SALT_BYTES = 16;
const PASSWORD_BYTES = 16;
/** The password is 128 random bits: what makes guessing slow is needed by nobody, a thousand is what strict readers want. */
const MAC_ITERATIONS = 1000;

/** One that Java's tools take: at least six characters. */
export function newStorePassword(): string {
	return randomBytes(PASSWORD_BYTES).toString('hex');
}

export function isStorePassword(text: string): boolean {
	return /^[0-9a-f]{32}$/.test(text);
}

/** @param key PKCS#8 PEM @param chain PEM, leaf first @param password ASCII */
export function encodeKeyStore(key: string, chain: string, password: string): Buffer {
	const certificates = certificatesOf(chain);
	const keyId = attribute(Oid.localKeyId, encode(Tag.octetString, createHash('sha256').update(certificates[0]!).digest()));
	const encrypted = createPrivateKey(key).export({ type: 'pkcs8', format: 'der', cipher: CIPHER, passphrase: password });
	const bags = certificates.map((certificate, index) => certificateBag(certificate, index === 0 ? [friendlyName(KEY_ALIAS), keyId] : []));
	return seal([bags, [bag(Oid.shroudedKeyBag, encrypted, [friendlyName(KEY_ALIAS), keyId])]], password);
}

/** @param bundle PEM @param password ASCII */
export function encodeTrustStore(bundle: string, password: string): Buffer {
	const trusted = attribute(Oid.trustedKeyUsage, encodeOid(Oid.anyExtendedKeyUsage));
	return seal([certificatesOf(bundle).map((certificate, index) => certificateBag(certificate, [friendlyName(`ca${index + 1}`), trusted]))], password);
}

function certificatesOf(pem: string): readonly Buffer[] {
	return decodePem('CERTIFICATE', pem) ?? [];
}

/** PFX, §4: contents, and over their bytes the MAC. */
function seal(safes: readonly (readonly Buffer[])[], password: string): Buffer {
	const contents = encode(Tag.sequence, ...safes.map((bags) => contentInfo(encode(Tag.sequence, ...bags))));
	const salt = randomBytes(SALT_BYTES);
	const mac = createHmac('sha256', pkcs12Key(password, salt, MAC_ITERATIONS, Purpose.integrity)).update(contents).digest();
	const algorithm = encode(Tag.sequence, encodeOid(Oid.sha256), encode(Tag.null));
	const macData = encode(Tag.sequence, encode(Tag.sequence, algorithm, encode(Tag.octetString, mac)), encode(Tag.octetString, salt), encodeNumber(MAC_ITERATIONS));
	return encode(Tag.sequence, encodeNumber(3), contentInfo(contents), macData);
}

/** ContentInfo of type data (RFC 2315 §8). */
function contentInfo(data: Buffer): Buffer {
	return encode(Tag.sequence, encodeOid(Oid.data), encode(contextTag(0), encode(Tag.octetString, data)));
}

/** SafeBag, §4.2. */
function bag(type: string, value: Buffer, attributes: readonly Buffer[]): Buffer {
	return encode(Tag.sequence, encodeOid(type), encode(contextTag(0), value), ...(attributes.length > 0 ? [encode(Tag.set, ...attributes)] : []));
}

/** CertBag, §4.2.3. */
function certificateBag(certificate: Buffer, attributes: readonly Buffer[]): Buffer {
	const value = encode(Tag.sequence, encodeOid(Oid.x509Certificate), encode(contextTag(0), encode(Tag.octetString, certificate)));
	return bag(Oid.certBag, value, attributes);
}

function attribute(type: string, value: Buffer): Buffer {
	return encode(Tag.sequence, encodeOid(type), encode(Tag.set, value));
}

/** BMPString, RFC 2985 §5.5.1. */
function friendlyName(ascii: string): Buffer {
	return attribute(Oid.friendlyName, encode(Tag.bmpString, Buffer.from(ascii, 'utf16le').swap16()));
}
