/**
 * What the agent uses of node:crypto, put in its place in the compiled agent (scripts/build-agent.ts): that
 * module, with the streams that it loads, takes the runtime a millisecond, before the application starts.
 * Here it is loaded when the first key is made, while the CA does its part of the handshake. What is needed
 * before that, a hash and a comparison, is Bun's own (bun.com/docs/runtime/hashing), by the same library.
 */

import type * as Crypto from 'node:crypto';
import { lately } from './lately.ts';

interface Native {
	readonly Bun: { readonly CryptoHasher: new (algorithm: string) => ReturnType<typeof Crypto.createHash> };
	readonly crypto: Pick<typeof Crypto, 'timingSafeEqual'>;
}

const native = globalThis as unknown as Native;

export function createHash(algorithm: string): ReturnType<typeof Crypto.createHash> {
	return new native.Bun.CryptoHasher(algorithm);
}

export const timingSafeEqual: typeof Crypto.timingSafeEqual = (a, b) => native.crypto.timingSafeEqual(a, b);

export const createHmac: typeof Crypto.createHmac = (...of) => lately('node:crypto').createHmac(...of);
export const createPrivateKey: typeof Crypto.createPrivateKey = (of) => lately('node:crypto').createPrivateKey(of);
export const generateKeyPairSync = ((...of: Parameters<typeof Crypto.generateKeyPairSync>) => lately('node:crypto').generateKeyPairSync(...of)) as typeof Crypto.generateKeyPairSync;
export const randomBytes = ((size: number) => lately('node:crypto').randomBytes(size)) as typeof Crypto.randomBytes;
export const sign = ((...of: Parameters<typeof Crypto.sign>) => lately('node:crypto').sign(...of)) as typeof Crypto.sign;

export const X509Certificate = new Proxy(class {}, {
	construct: (_, [bytes]: [Buffer]) => new (lately('node:crypto').X509Certificate)(bytes),
}) as unknown as typeof Crypto.X509Certificate;
