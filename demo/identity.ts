/** The identity of this container as an application uses it: files on the volume, nothing else. */

import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerCertificate, SecureContextOptions } from 'node:tls';
import { VolumeFile } from '#common/protocol/volume-files.ts';

/** Who somebody is, as the certificate says it. */
export interface Party {
	readonly name: string;
	readonly role: string;
	readonly spiffeId: string;
}

/**
 * Everything that TLS needs, read anew at each call: it changes with every rotation and revocation.
 * Key and chain come from one file, so they always belong together.
 */
export function loadTlsOptions(directory: string): SecureContextOptions {
	const identity = readFileSync(join(directory, VolumeFile.identity));
	return {
		key: identity,
		cert: identity,
		ca: readFileSync(join(directory, VolumeFile.bundle)),
		// With CRLs OpenSSL checks the whole chain: the file holds those of root and intermediate.
		crl: readFileSync(join(directory, VolumeFile.revocationList)),
		minVersion: 'TLSv1.3',
		// A resumed session would skip the check of the certificate.
		secureOptions: constants.SSL_OP_NO_TICKET,
	};
}

export function partyOf({ subject, subjectaltname = '' }: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): Party {
	const spiffeId = /(?:^|, )URI:(spiffe:\/\/[^,"]+)/.exec(subjectaltname)?.[1] ?? '';
	return { name: String(subject.CN ?? ''), role: String(subject.OU ?? ''), spiffeId };
}
