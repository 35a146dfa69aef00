/**
 * Certificates of workloads from an external CA: the CSR goes on to it, and what comes back is recorded
 * as if it had been made here. Everything else (nodes, operators, this CA's own server) stays with this
 * CA, so that it can be reached and ruled while the other is away.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { encodePem } from '#common/x509/pem.ts';
import { certificateRecord } from './certificate-record.ts';
import type { ExternalAddress } from './external-address.ts';
import { checkExternal } from './external-check.ts';
import { intermediatesOf, readExternalFiles } from './external-files.ts';
import { requestSignature, type RequestDeps } from './external-request.ts';
import type { Issue } from './issue.ts';
import { requireKey } from './profiles.ts';

/** No generation of this CA's own: none of its revocation lists is about such a certificate. */
export const EXTERNAL_GENERATION = 0;

export interface ExternalIssueDeps extends RequestDeps {
	readonly address: ExternalAddress;
	/** for all but workloads */
	readonly issue: Issue;
	readonly clock: { now(): Date };
}

/** @returns a function that issues as {@link Issue} does; it throws `upstream-unavailable` and `upstream-refused` too */
export function createExternalIssue(deps: ExternalIssueDeps): Issue {
	const { address, issue, clock } = deps;
	return async (request) => {
		const { identity, key, origin } = request;
		// What is signed for others over cfssl is not handed on.
		if (identity.role !== 'workload' || origin.cfsslClient !== undefined) return issue(request);
		if (!key.request) throw new BirthmarkError('internal', 'an external CA needs the certificate signing request');
		requireKey(identity.profile, key.publicKey);
		const { commonName, organizationalUnit, organization, spiffeId, alternativeNames } = identity;
		const files = await readExternalFiles(address);
		const pem = await requestSignature(address.urls, files, {
			hosts: [...alternativeNames, ...(address.asksForUri ? [spiffeId] : [])],
			certificate_request: encodePem('CERTIFICATE REQUEST', key.request),
			subject: { CN: commonName, names: [{ O: organization, OU: organizationalUnit }] },
			profile: '',
		}, deps);
		const now = clock.now();
		const { certificate, issuer } = checkExternal(pem, { identity, publicKey: key.publicKey, asksForUri: address.asksForUri, issuers: files.issuers, now });
		return certificateRecord(request, {
			serial: certificate.serialNumber.toLowerCase(),
			der: certificate.raw,
			intermediates: intermediatesOf(issuer, files.issuers),
			issuerGeneration: EXTERNAL_GENERATION,
			crlPartition: 0,
			issuedAt: now,
			notBefore: certificate.validFromDate,
			notAfter: certificate.validToDate,
		});
	};
}
