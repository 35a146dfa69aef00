/**
 * Where bad requests come from, as exactly as it is proved: a certificate that the handshake proved
 * possession of, a token that the CA knows, and only for want of both the address. Who shares an
 * address with somebody shares nothing else with him (docs/adr/0012).
 */

import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Caller } from '../registration/caller.ts';

export const SOURCE_KINDS = ['address', 'token', 'identity'] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

export interface Source {
	readonly kind: SourceKind;
	/** for counting, for the log and for the audit log: says nothing that could be used */
	readonly key: string;
}

/** An IPv4 address, or the /64 of an IPv6 one: who has one address of a /64 has them all (RFC 6177 §2). */
export function addressSource(address: string): Source {
	const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
	if (mapped !== undefined) return { kind: 'address', key: mapped };
	return { kind: 'address', key: isIPv6(address) ? `${prefix64(address)}::/64` : address };
}

/** By a hash of all of it: nobody can hit a token that he does not hold, and eight digits of it give nothing away. */
export function tokenSource(token: string): Source {
	return { kind: 'token', key: createHash('sha256').update('birthmark source\0').update(token).digest('hex').slice(0, 32) };
}

/** A chain of renewals, so that a renewal is no fresh start. @returns undefined at the admin socket, which is answerable to the file system */
export function identitySource({ role, name, certificate }: Caller): Source | undefined {
	if (role === 'external') return { kind: 'identity', key: `${role} ${name}` };
	return certificate && { kind: 'identity', key: `${role} ${name} ${certificate.chain}` };
}

/** The first four groups, each without leading zeros. */
function prefix64(address: string): string {
	const [left = '', right] = address.replace(/%.*$/, '').split('::');
	const head = left === '' ? [] : left.split(':');
	const tail = right ? right.split(':') : [];
	// An IPv4 tail takes the place of two groups, and never one of the first four of a real network.
	const width = tail.reduce((sum, group) => sum + (group.includes('.') ? 2 : 1), 0);
	const groups = right === undefined ? head : [...head, ...Array<string>(8 - head.length - width).fill('0'), ...tail];
	return groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}
