/**
 * The allow-list of key and signature algorithms: everything the project knows about algorithms is
 * in the tables of this file. What is not in them is refused.
 */

import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { BirthmarkError } from '../protocol/errors.ts';
import { encode, Tag } from './der.ts';
import { DerReader } from './der-reader.ts';

/** What the CA itself uses for its keys; OpenSSL has a name of its own for the curve. */
export const CA_CURVE = { name: 'P-256', opensslName: 'prime256v1' } as const;
/** ecdsa-with-SHA256 as AlgorithmIdentifier: parameters absent (RFC 5758 §3.2). */
export const CA_SIGNATURE_ALGORITHM = Buffer.from('300a06082a8648ce3d040302', 'hex');
const CA_SIGNATURE_DIGEST = 'sha256';

export const KEY_TYPES = ['P-256', 'P-384', 'Ed25519', 'RSA'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/**
 * SubjectPublicKeyInfo up to the key itself (RFC 5480 §2, RFC 8410 §4). The whole prefix is compared,
 * which leaves no room for explicit curve parameters or compressed points.
 */
const FIXED_PREFIXES: Readonly<Record<Exclude<KeyType, 'RSA'>, Buffer>> = {
	'P-256': Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'),
	'P-384': Buffer.from('3076301006072a8648ce3d020106052b8104002203620004', 'hex'),
	'Ed25519': Buffer.from('302a300506032b6570032100', 'hex'),
};

const FIXED_BITS: Readonly<Record<Exclude<KeyType, 'RSA'>, number>> = { 'P-256': 256, 'P-384': 384, 'Ed25519': 256 };

/** Below 2048 bits a key is weak (NIST SP 800-131A); above 4096 verifying it is a burden on everybody else. */
export const RSA_BITS = { minimum: 2048, maximum: 4096 } as const;
const RSA_EXPONENT = 65537n;

/**
 * Signature algorithms of a CSR by OID (RFC 5758 §3.2, RFC 8017 appendix C, RFC 8410 §3): the digest as
 * node:crypto calls it, Ed25519 has none of its own, and the type of key that it belongs to. Parameters
 * are absent; for RSA they may also be NULL (RFC 4055 §5).
 */
const SIGNATURE_ALGORITHMS: Readonly<Record<string, { readonly digest: string | null; readonly keyType: 'ec' | 'rsa' | 'ed25519' }>> = {
	'1.2.840.10045.4.3.2': { digest: 'sha256', keyType: 'ec' },
	'1.2.840.10045.4.3.3': { digest: 'sha384', keyType: 'ec' },
	'1.2.840.10045.4.3.4': { digest: 'sha512', keyType: 'ec' },
	'1.2.840.113549.1.1.11': { digest: 'sha256', keyType: 'rsa' },
	'1.2.840.113549.1.1.12': { digest: 'sha384', keyType: 'rsa' },
	'1.2.840.113549.1.1.13': { digest: 'sha512', keyType: 'rsa' },
	'1.3.101.112': { digest: null, keyType: 'ed25519' },
};

const NULL = encode(Tag.null);

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
	if (!fixedType(spki)) {
		throw new BirthmarkError('csr-key-unsupported', 'this kind of key is not accepted; use EC P-256, EC P-384, Ed25519 or RSA with 2048 to 4096 bits');
	}
	return key;
}

/**
 * What {@link acceptPublicKey} accepted.
 *
 * @param spki DER
 */
export function describeKey(spki: Uint8Array): { readonly type: KeyType; readonly bits: number } {
	const type = fixedType(spki);
	if (type) return { type, bits: FIXED_BITS[type] };
	const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
	return { type: 'RSA', bits: key.asymmetricKeyDetails?.modulusLength ?? 0 };
}

function fixedType(spki: Uint8Array): Exclude<KeyType, 'RSA'> | undefined {
	return KEY_TYPES.find((type) => type !== 'RSA' && FIXED_PREFIXES[type].equals(spki.subarray(0, FIXED_PREFIXES[type].length))) as Exclude<KeyType, 'RSA'> | undefined;
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
 * @param algorithm AlgorithmIdentifier, DER
 * @returns a node:crypto digest name, `null` for algorithms that have none of their own
 * @throws BirthmarkError `csr-signature-invalid` when the algorithm is not accepted or belongs to another type of key
 * @throws DerError
 */
export function signatureDigest(algorithm: Uint8Array, key: KeyObject): string | null {
	const reader = DerReader.sequence(algorithm);
	const { digest, keyType } = SIGNATURE_ALGORITHMS[reader.oid()] ?? {};
	const hasGoodParameters = reader.isAtEnd || (keyType === 'rsa' && reader.raw().equals(NULL) && reader.isAtEnd);
	if (digest === undefined || !hasGoodParameters) {
		throw new BirthmarkError('csr-signature-invalid', 'the request is signed with an algorithm that is not accepted; use SHA-256 with the key of the request');
	}
	if (keyType !== key.asymmetricKeyType) throw new BirthmarkError('csr-signature-invalid', 'the signature algorithm of the request does not belong to its key');
	return digest;
}
