/** Renewal: whoever holds a valid certificate gets the next one, for a fresh key, under the names in the registry. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { memberIdentity, workloadIdentity, type Domain } from '../issuance/identity.ts';
import type { Issue, IssueRequest } from '../issuance/issue.ts';
import type { Actor, CertificateRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';

export interface RenewDeps {
	readonly store: Pick<Store, 'findAuthorization' | 'findUser' | 'findCertificateByKey' | 'addRenewal'>;
	readonly issue: Issue;
	readonly clock: { now(): Date };
	readonly domain: Domain;
	readonly redemptionWindowSeconds: number;
}

/** @param bundleDigest of the trust bundle that the caller says it uses */
export type Renew = (current: CertificateRecord, csr: Buffer, by: Actor, bundleDigest?: Buffer) => Promise<CertificateRecord>;

/**
 * The certificate that was presented stays valid to its end. The same request again within the
 * redemption window gets the same certificate.
 *
 * @returns a function that renews a certificate whose holder has proved to be that
 */
export function createRenew({ store, issue, clock, domain, redemptionWindowSeconds }: RenewDeps): Renew {
	const earlierAnswer = async (current: CertificateRecord, publicKeyHash: Buffer): Promise<CertificateRecord | undefined> => {
		const known = await store.findCertificateByKey(publicKeyHash);
		if (!known) return undefined;
		const isRecent = clock.now().getTime() - known.issuedAt.getTime() <= redemptionWindowSeconds * 1000;
		if (known.parentSerial !== current.serial || !isRecent) throw new BirthmarkError('csr-key-reused');
		if (known.revokedAt) throw new BirthmarkError('certificate-revoked');
		return known;
	};
	return async (current, csrBytes, by, bundleDigest) => {
		const csr = verifyCsr(csrBytes);
		const earlier = await earlierAnswer(current, csr.publicKeyHash);
		if (earlier) return earlier;
		const entitled = await entitlement(current);
		const { node, authorizationId, startId, userName } = current;
		const trusted = bundleDigest ?? current.bundleDigest;
		const certificate = await issue({
			...entitled,
			key: csr,
			origin: {
				...(node !== undefined && { node }),
				...(authorizationId !== undefined && { authorizationId }),
				...(startId !== undefined && { startId }),
				...(userName !== undefined && { userName }),
				...(trusted && { bundleDigest: trusted }),
			},
			parent: current,
		});
		const outcome = await store.addRenewal(certificate, by);
		switch (outcome) {
			case 'added': return certificate;
			case 'ended': throw new BirthmarkError('authorization-ended');
			case 'revoked': throw new BirthmarkError('certificate-revoked');
			case 'key-reused': {
				// The same request twice at once: the other one was first, and its certificate is the answer to both.
				const first = await earlierAnswer(current, csr.publicKeyHash);
				if (!first) throw new BirthmarkError('internal', 'a certificate over this key was there and is not any more');
				return first;
			}
		}
	};

	async function entitlement(current: CertificateRecord): Promise<Pick<IssueRequest, 'identity' | 'lifetimeSeconds'>> {
		if (current.role === 'node' || current.role === 'operator') {
			return { identity: memberIdentity(current.role, current.commonName, domain) };
		}
		if (current.userName !== undefined) {
			const user = await store.findUser(current.userName);
			if (user?.status !== 'active') throw new BirthmarkError('authorization-ended', 'the user who enrolled this identity has been cut off');
			return { identity: workloadIdentity(current, domain) };
		}
		const authorization = current.authorizationId === undefined ? undefined : await store.findAuthorization(current.authorizationId);
		if (!authorization) throw new BirthmarkError('authorization-unknown');
		if (authorization.endedAt) throw new BirthmarkError('authorization-ended');
		return { identity: workloadIdentity(authorization, domain), lifetimeSeconds: authorization.lifetimeSeconds };
	}
}
