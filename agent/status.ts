/** What `birthmark-agent status` shows: public facts only. */

import { join } from 'node:path';
import { bundleDigest } from '#common/protocol/token.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Clock } from '#common/runtime/clock.ts';
import { EXPIRED, type Identity } from './identity.ts';

export interface Status {
	readonly subject: string;
	readonly spiffeId: string;
	readonly dnsNames: readonly string[];
	readonly serial: string;
	/** RFC 3339 */
	readonly notBefore: string;
	readonly notAfter: string;
	/** when it became visible here, to the millisecond */
	readonly publishedAt: string;
	/** negative once it has expired */
	readonly expiresInSeconds: number;
	/** SHA-256 of the trust bundle in use, hexadecimal */
	readonly bundleDigest: string;
	readonly files: { readonly identity: string; readonly key: string; readonly certificate: string; readonly bundle: string };
}

export function describeStatus(directory: string, { leaf, bundle }: Pick<Identity, 'leaf' | 'bundle'>, published: Date, clock: Clock): Status {
	return {
		subject: leaf.subject,
		spiffeId: leaf.spiffeId,
		dnsNames: leaf.dnsNames,
		serial: leaf.serial,
		notBefore: leaf.notBefore.toISOString(),
		notAfter: leaf.notAfter.toISOString(),
		publishedAt: published.toISOString(),
		expiresInSeconds: Math.floor((leaf.notAfter.getTime() - clock.now().getTime()) / 1000),
		bundleDigest: bundleDigest(bundle).toString('hex'),
		files: {
			identity: join(directory, VolumeFile.identity),
			key: join(directory, VolumeFile.key),
			certificate: join(directory, VolumeFile.certificate),
			bundle: join(directory, VolumeFile.bundle),
		},
	};
}

/** The same for people, one fact a line. */
export function formatStatus(status: Status): string {
	const isExpired = status.expiresInSeconds <= 0;
	const expiry = isExpired ? 'expired' : `in ${status.expiresInSeconds} s`;
	const rows = [
		['subject', status.subject],
		['SPIFFE ID', status.spiffeId],
		['DNS names', status.dnsNames.join(', ')],
		['serial', status.serial],
		['valid from', status.notBefore],
		['valid until', `${status.notAfter} (${expiry})`],
		['published', status.publishedAt],
		['key and chain', status.files.identity],
		['key', status.files.key],
		['chain', status.files.certificate],
		['trust bundle', status.files.bundle],
		['its digest', status.bundleDigest],
	];
	return rows.map(([name, value]) => `${name!.padEnd(14)} ${value}\n`).join('') + (isExpired ? `${EXPIRED}\n` : '');
}
