/**
 * Where others ask about certificates of this CA, as the certificates say it. An address that a
 * certificate carries is good as long as the certificate: what is here only ever grows.
 */

import type { Pointers } from '#common/x509/extensions.ts';

/** @param url of the public listener, without a slash at its end */
export function partitionUrl(url: string, partition: number): string {
	return `${url}/v1/crl/${partition}`;
}

export function ocspUrl(url: string): string {
	return `${url}/v1/ocsp`;
}

/** Of the certificate of one generation's intermediate. */
export function issuerUrl(url: string, generation: number): string {
	return `${url}/v1/issuers/${generation}`;
}

/** What an intermediate says of itself: the certificate and the list of the root that it is under. The root key is away, so nobody answers OCSP for it. */
export function intermediatePointers(url: string, generation: number): Pointers {
	return { crl: `${issuerUrl(url, generation)}/crl`, caIssuers: `${issuerUrl(url, generation)}/root` };
}
