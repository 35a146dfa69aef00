/**
 * The allow-list of key and signature algorithms: everything the project knows about algorithms is
 * in the tables of this file. What is not in them is refused.
 */

import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { BirthmarkError } from '../protocol/errors.ts';

/** What the CA itself uses for its keys; OpenSSL has a name of its own for the curve. */
export const CA_CURVE = { name: 'P-256', opensslName: 'prime256v1' } as const;
/** ecdsa-with-SHA256 as AlgorithmIdentifier: parameters absent (RFC 5758 §3.2). */
export const CA_SIGNATURE_ALGORITHM = Buffer.from('300a06082a8648ce3d040302', 'hex');
const CA_SIGNATURE_DIGEST = 'sha256';

export type AcceptedKey = 'EC P-256' | 'EC P-384' | 'Ed25519' | 'RSA';

/**
 * SubjectPublicKeyInfo up to the key itself (RFC 5480 §2, RFC 8410 §4). The whole prefix is compared,
 * which leaves no room for explicit curve parameters or compressed points.
 */
const FIXED_PREFIXES: Readonly<Record<Exclude<AcceptedKey, 'RSA'>, Buffer>> = {
	'EC P-256': Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'),
	'EC P-384': Buffer.from('3076301006072a8648ce3d020106052b8104002203620004', 'hex'),
	Ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
};

/** Below 2048 bits a key is weak (NIST SP 800-131A); above 4096 verifying it is a burden on everybody else. */
const RSA_BITS = { minimum: 2048, maximum: 4096 };
const RSA_EXPONENT = 65537n;

/** Signature algorithms of a CSR: WebCrypto name → accepted hashes → node:crypto digest. Ed25519 has no separate hash. */
const SIGNATURE_DIGESTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
	ECDSA: { 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' },
	'RSASSA-PKCS1-v1_5': { 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' },
};

/** The key types that may sign with each of {@link SIGNATURE_DIGESTS}, as node:crypto calls them. */
const SIGNATURE_KEY_TYPES: Readonly<Record<string, string>> = { ECDSA: 'ec', 'RSASSA-PKCS1-v1_5': 'rsa', Ed25519: 'ed25519' };

/** @returns Ecdsa-Sig-Value, DER (RFC 3279 §2.2.3), made with {@link CA_SIGNATURE_ALGORITHM} */
export function signForCa(bytes: Uint8Array, key: KeyObject): Buffer {
	return sign(CA_SIGNATURE_DIGEST, bytes, key);
}

/**
 * Reads a SubjectPublicKeyInfo and checks it against the allow-list. OpenSSL does the reading, which
 * includes the check that an EC point is on its curve.
 *
 * @param spki DER
 * @throws BirthmarkError `csr-key-weak`, `csr-key-unsupported`
 */
export function acceptPublicKey(spki: Uint8Array): KeyObject {
	let key: KeyObject;
	try {
		key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
	} catch (cause) {
		throw new BirthmarkError('csr-key-unsupported', 'the public key cannot be read; use EC P-256', { cause });
	}
	if (key.asymmetricKeyType === 'rsa') return acceptRsa(key, spki);
	const accepted = Object.values(FIXED_PREFIXES).some((prefix) => prefix.equals(spki.subarray(0, prefix.length)));
	if (!accepted) {
		throw new BirthmarkError('csr-key-unsupported', 'this kind of key is not accepted; use EC P-256, EC P-384, Ed25519 or RSA with 2048 to 4096 bits');
	}
	return key;
}

function acceptRsa(key: KeyObject, spki: Uint8Array): KeyObject {
	const canonical = key.export({ format: 'der', type: 'spki' });
	if (!canonical.equals(spki)) throw new BirthmarkError('csr-key-unsupported', 'the RSA key is not encoded as RFC 3279 §2.3.1 has it');
	const { modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
	if (modulusLength < RSA_BITS.minimum) {
		throw new BirthmarkError('csr-key-weak', `the RSA key has ${modulusLength} bits; at least ${RSA_BITS.minimum} are needed`);
	}
	if (modulusLength > RSA_BITS.maximum) {
		throw new BirthmarkError('csr-key-unsupported', `the RSA key has ${modulusLength} bits; at most ${RSA_BITS.maximum} are accepted`);
	}
	if (publicExponent !== RSA_EXPONENT) throw new BirthmarkError('csr-key-weak', 'the RSA key has a public exponent other than 65537');
	return key;
}

/**
 * The digest to verify a CSR's signature with.
 *
 * @param algorithm as WebCrypto names it: `{ name, hash? }`
 * @returns a node:crypto digest name, `null` for algorithms that have none of their own
 * @throws BirthmarkError `csr-signature-invalid` when the algorithm is not accepted or belongs to another type of key
 */
export function signatureDigest(algorithm: { readonly name: string; readonly hash?: { readonly name: string } }, key: KeyObject): string | null {
	if (SIGNATURE_KEY_TYPES[algorithm.name] !== key.asymmetricKeyType) {
		throw new BirthmarkError('csr-signature-invalid', 'the signature algorithm of the request does not belong to its key');
	}
	if (algorithm.name === 'Ed25519') return null;
	const digest = SIGNATURE_DIGESTS[algorithm.name]?.[algorithm.hash?.name ?? ''];
	if (digest === undefined) throw new BirthmarkError('csr-signature-invalid', 'the request is signed with a hash that is not accepted; use SHA-256');
	return digest;
}
