/** The CA's own server certificate: a fresh key in memory, replaced at half of its life. */

import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { publicKeyHash } from '#common/x509/csr.ts';
import { chainPem } from './http/chain.ts';
import type { ServerCredentials } from './http/server.ts';
import type { Authorities } from './issuance/authorities.ts';
import { serverIdentity, type Domain } from './issuance/identity.ts';
import type { Issue } from './issuance/issue.ts';
import { SYSTEM } from './store/records.ts';
import type { Store } from './store/store.ts';

export interface ServerCertificateDeps {
	readonly store: Pick<Store, 'addCertificate'>;
	readonly issue: Issue;
	readonly domain: Domain;
	readonly authorities: Pick<Authorities, 'current'>;
	/** `listen.names` */
	readonly names: readonly string[];
}

export interface ServerCertificate extends ServerCredentials {
	/** before this, which happens when the clock was set back, nobody takes it */
	readonly notBefore: Date;
	/** when to make the next one */
	readonly renewAt: Date;
}

/** Issues and records one; the key is never written down. */
export async function makeServerCertificate({ store, issue, domain, authorities, names }: ServerCertificateDeps): Promise<ServerCertificate> {
	const key = generateSigningKey();
	const { publicKey } = key;
	const certificate = await issue({
		identity: serverIdentity(domain, names),
		key: { publicKey, publicKeyHash: publicKeyHash(publicKey) },
		origin: {},
	});
	await store.addCertificate(certificate, SYSTEM);
	const half = (certificate.issuedAt.getTime() + certificate.notAfter.getTime()) / 2;
	return { key: exportSigningKey(key), certificate: chainPem(certificate, authorities.current()), notBefore: certificate.notBefore, renewAt: new Date(half) };
}
