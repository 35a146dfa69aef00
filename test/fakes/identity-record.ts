/** A record of an identity as a container of no special wishes has it. */

import type { IdentityRecord } from '../../plugin/records.ts';

export function identityRecord(fields: Partial<IdentityRecord> = {}): IdentityRecord {
	return {
		volume: 'a'.repeat(64),
		containerId: 'c'.repeat(64),
		containerName: 'api01',
		imageId: 'sha256:' + '1'.repeat(64),
		authorizationId: 'auth-1',
		commonName: 'api01',
		organizationalUnit: 'web-api',
		dnsNames: [],
		uid: 0,
		gid: 0,
		mode: 0o700,
		sizeBytes: 1024 * 1024,
		inodes: 128,
		caWay: 'relay',
		delivery: 'volume',
		agentMode: 'none',
		settings: {},
		...fields,
	};
}
