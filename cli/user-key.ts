/**
 * The key with which a user signs tokens: made here, kept in a file that only its owner can read,
 * never sent anywhere. The file says whose key it is; a plain PKCS#8 PEM from elsewhere does as well.
 */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { UserTokenAlgorithm } from '#common/protocol/user-token.ts';
import { parseConfig } from '#common/runtime/config.ts';

const RSA_BITS = 3072;
const fileSchema = z.strictObject({ version: z.literal(1), user: z.string(), privateKey: z.string() });

export interface UserKey {
	/** undefined in a plain PEM file */
	readonly user?: string;
	readonly algorithm: UserTokenAlgorithm;
	readonly privateKey: KeyObject;
}

export function generateUserKey(algorithm: UserTokenAlgorithm): { privateKey: KeyObject; publicKey: KeyObject } {
	switch (algorithm) {
		case 'ES256': return generateKeyPairSync('ec', { namedCurve: 'P-256' });
		case 'EdDSA': return generateKeyPairSync('ed25519');
		case 'RS256': return generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
	}
}

/** @throws BirthmarkError `usage` when the file exists already or cannot be made */
export function writeUserKey(path: string, user: string, privateKey: KeyObject): void {
	const text = JSON.stringify({ version: 1, user, privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }) }, undefined, 2) + '\n';
	let file: number;
	try {
		file = openSync(path, 'wx', 0o600);
	} catch (cause) {
		if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw new BirthmarkError('usage', `${path} exists already, and a key is never overwritten`, { cause });
		throw unwritable(path, cause);
	}
	try {
		writeFileSync(file, text);
		fsyncSync(file);
	} catch (cause) {
		// Half a key would be in the way of the next attempt.
		rmSync(path, { force: true });
		throw unwritable(path, cause);
	} finally {
		closeSync(file);
	}
}

function unwritable(path: string, cause: unknown): BirthmarkError {
	return new BirthmarkError('usage', `${path} cannot be written: ${(cause as Error).message}`, { cause });
}

/** @throws BirthmarkError `usage` when there is no usable key in the file */
export function readUserKey(path: string): UserKey {
	const text = readText(path);
	const { user, privateKey: pem } = text.trimStart().startsWith('{') ? parseFile(text, path) : { user: undefined, privateKey: text };
	let privateKey: KeyObject;
	try {
		privateKey = createPrivateKey(pem);
	} catch {
		// Without the cause, which could quote from the key.
		throw new BirthmarkError('usage', `${path} holds no private key that can be read`);
	}
	return { ...(user !== undefined && { user }), privateKey, algorithm: algorithmOf(privateKey, path) };
}

/**
 * A public key as the CA takes it, from a PEM file or a JWK (RFC 7517).
 *
 * @returns SubjectPublicKeyInfo, PEM
 * @throws BirthmarkError `usage`; for a private key too, which nobody should hand around
 */
export function readPublicKey(path: string): string {
	const text = readText(path);
	const isJson = text.trimStart().startsWith('{');
	try {
		const jwk = isJson ? JSON.parse(text) as Record<string, unknown> : {};
		if (text.includes('PRIVATE KEY') || 'd' in jwk) throw new BirthmarkError('usage', `${path} holds a private key: give the public one, as "birthmark user new" prints it`);
		return createPublicKey(isJson ? { key: jwk, format: 'jwk' } : text).export({ format: 'pem', type: 'spki' });
	} catch (cause) {
		if (cause instanceof BirthmarkError) throw cause;
		throw new BirthmarkError('usage', `${path} holds no public key (PEM or JWK) that can be read`, { cause });
	}
}

function parseFile(text: string, path: string): z.output<typeof fileSchema> {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		throw new BirthmarkError('usage', `${path} is neither a key file of "birthmark user new" nor a PEM`);
	}
	return parseConfig(fileSchema, value, path);
}

function readText(path: string): string {
	try {
		return readFileSync(path, 'utf8');
	} catch (cause) {
		throw new BirthmarkError('usage', `${path} cannot be read: ${(cause as Error).message}`, { cause });
	}
}

function algorithmOf(key: KeyObject, path: string): UserTokenAlgorithm {
	if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
	if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
	if (key.asymmetricKeyType === 'rsa') return 'RS256';
	throw new BirthmarkError('usage', `the key in ${path} is of a kind that signs no tokens: use EC P-256, Ed25519 or RSA`);
}
