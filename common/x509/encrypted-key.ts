/**
 * Private keys at rest: PKCS#8 EncryptedPrivateKeyInfo (RFC 5958 §3) under PBES2 (RFC 8018 §6.2) with
 * scrypt (RFC 7914 §7) and AES-256-CBC. OpenSSL reads and writes the same
 * (`openssl pkcs8 -topk8 -scrypt`).
 *
 * Other schemes are refused when reading: a key whose file says PBKDF2 with one round was not written
 * by this project.
 */

import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from 'node:crypto';
import { BirthmarkError } from '../protocol/errors.ts';
import { encode, encodeNumber, encodeOid, Tag } from './der.ts';
import { DerReader } from './der-reader.ts';
import { importSigningKeyDer, type SigningKey } from './keys.ts';
import { decodePem, encodePem } from './pem.ts';

export interface ScryptCost {
	/** N, a power of two */
	readonly cost: number;
	/** r */
	readonly blockSize: number;
	/** p */
	readonly parallelization: number;
}

/** For what a person chose. 16 MiB five times over: OpenSSL refuses to read a key that asks for 32 MiB or more. */
export const PASSPHRASE_COST: ScryptCost = { cost: 2 ** 14, blockSize: 8, parallelization: 5 };
/** For 16 random bytes or more, which nobody can guess anyway: OpenSSL's own default. */
export const RANDOM_SECRET_COST: ScryptCost = { cost: 2 ** 14, blockSize: 8, parallelization: 1 };

const LABEL = 'ENCRYPTED PRIVATE KEY'; // RFC 7468 §11
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const IV_BYTES = 16;
/** A file must not be able to occupy the process: this is what OpenSSL takes, and sixteen times the work of one round. */
const LIMITS = { memoryBytes: 32 * 1024 * 1024, parallelization: 16, saltBytes: 1024 };

const PBES2 = '1.2.840.113549.1.5.13';
const SCRYPT = '1.3.6.1.4.1.11591.4.11';
const AES_256_CBC = '2.16.840.1.101.3.4.1.42';

/**
 * @param secret the key-encryption key or passphrase, as it is: nothing is trimmed or normalized
 * @returns PEM
 */
export async function encryptSigningKey(key: SigningKey, secret: Uint8Array, cost: ScryptCost = PASSPHRASE_COST): Promise<string> {
	const salt = randomBytes(SALT_BYTES);
	const iv = randomBytes(IV_BYTES);
	const cipher = createCipheriv('aes-256-cbc', await deriveKey(secret, salt, cost), iv);
	const plain = key.privateKey.export({ format: 'der', type: 'pkcs8' });
	const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
	plain.fill(0);
	const derivation = encode(
		Tag.sequence,
		encodeOid(SCRYPT),
		encode(
			Tag.sequence,
			encode(Tag.octetString, salt),
			encodeNumber(cost.cost),
			encodeNumber(cost.blockSize),
			encodeNumber(cost.parallelization),
			encodeNumber(KEY_BYTES),
		),
	);
	const scheme = encode(Tag.sequence, encodeOid(AES_256_CBC), encode(Tag.octetString, iv));
	const algorithm = encode(Tag.sequence, encodeOid(PBES2), encode(Tag.sequence, derivation, scheme));
	return encodePem(LABEL, encode(Tag.sequence, algorithm, encode(Tag.octetString, encrypted)));
}

/**
 * @throws BirthmarkError `config-invalid` when the text is no such key or the secret is not the one it was encrypted with
 * @throws TypeError when what was encrypted is no EC P-256 key
 */
export async function decryptSigningKey(pem: string, secret: Uint8Array): Promise<SigningKey> {
	const { salt, cost, iv, encrypted } = parse(pem);
	const decipher = createDecipheriv('aes-256-cbc', await deriveKey(secret, salt, cost), iv);
	let plain: Buffer;
	try {
		plain = Buffer.concat([decipher.update(encrypted), decipher.final()]);
		// The padding alone lets one wrong secret in 256 pass; what comes out then is not PKCS#8.
		DerReader.sequence(plain);
	} catch (cause) {
		throw new BirthmarkError('config-invalid', 'a private key of the CA cannot be decrypted: the key-encryption key or passphrase is not the one it was encrypted with', { cause });
	}
	try {
		return importSigningKeyDer(plain);
	} finally {
		plain.fill(0);
	}
}

interface EncryptedKey {
	readonly salt: Buffer;
	readonly cost: ScryptCost;
	readonly iv: Buffer;
	readonly encrypted: Buffer;
}

function parse(pem: string): EncryptedKey {
	try {
		const [der, ...more] = decodePem(LABEL, pem) ?? [];
		if (!der || more.length > 0) throw new RangeError('not exactly one block');
		const outer = DerReader.sequence(der);
		const { salt, cost, iv } = parseAlgorithm(outer.sequence());
		const encrypted = outer.next(Tag.octetString);
		outer.finish();
		return { salt, cost, iv, encrypted };
	} catch (cause) {
		throw new BirthmarkError('config-invalid', 'a private key of the CA is not PKCS#8 encrypted with scrypt and AES-256-CBC; see "openssl pkcs8 -topk8 -scrypt"', { cause });
	}
}

function parseAlgorithm(algorithm: DerReader): Omit<EncryptedKey, 'encrypted'> {
	expectOid(algorithm, PBES2);
	const parameters = algorithm.only((reader) => reader.sequence());
	const derivation = parameters.sequence();
	expectOid(derivation, SCRYPT);
	const values = derivation.only((reader) => reader.sequence());
	const salt = values.next(Tag.octetString);
	const cost = { cost: values.number(), blockSize: values.number(), parallelization: values.number() };
	if (!values.isAtEnd && values.number() !== KEY_BYTES) throw new RangeError('another length of the key');
	values.finish();
	requireBearable(cost, salt);
	const scheme = parameters.only((reader) => reader.sequence());
	expectOid(scheme, AES_256_CBC);
	const iv = scheme.only((reader) => reader.next(Tag.octetString));
	if (iv.length !== IV_BYTES) throw new RangeError('another length of the initialization vector');
	return { salt, cost, iv };
}

function requireBearable({ cost, blockSize, parallelization }: ScryptCost, salt: Buffer): void {
	// RFC 7914 §2 and §6
	const isPossible = cost > 1 && (cost & (cost - 1)) === 0 && cost < 2 ** (16 * blockSize) && blockSize > 0 && parallelization > 0;
	const isBearable = 128 * blockSize * (cost + parallelization + 2) < LIMITS.memoryBytes && parallelization <= LIMITS.parallelization;
	if (!isPossible || !isBearable) throw new RangeError('parameters of scrypt that are not accepted');
	if (salt.length > LIMITS.saltBytes) throw new RangeError('a salt that is too long');
}

function expectOid(reader: DerReader, expected: string): void {
	const actual = reader.oid();
	if (actual !== expected) throw new RangeError(`${actual} in place of ${expected}`);
}

function deriveKey(secret: Uint8Array, salt: Buffer, { cost, blockSize, parallelization }: ScryptCost): Promise<Buffer> {
	const options: ScryptOptions = { cost, blockSize, parallelization, maxmem: 2 * LIMITS.memoryBytes };
	return new Promise((resolve, reject) => {
		scrypt(secret, salt, KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)));
	});
}
