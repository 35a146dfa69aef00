/** The files that the setting `externalCa` names. They are read anew for each request, so that they can be replaced. */

import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';
import type { ExternalAddress } from './external-address.ts';

export interface ExternalFiles {
	/** PEM */
	readonly ca: string;
	readonly certificate: string;
	readonly key: string;
	/** every CA certificate whose signature on a leaf counts */
	readonly issuers: readonly X509Certificate[];
	/** the self-signed ones of them, PEM: what a verifier has to trust */
	readonly roots: string;
}

/** @throws BirthmarkError `config-invalid` */
export async function readExternalFiles({ caFile, certificateFile, keyFile, chainFile }: ExternalAddress): Promise<ExternalFiles> {
	const { mode } = await stat(keyFile).catch((cause: Error) => { throw unreadable(keyFile, cause); });
	if ((mode & 0o077) !== 0) throw new BirthmarkError('config-invalid', `${keyFile} can be read by others: consider the key known; if it is not, "chmod 600 ${keyFile}"`);
	const [ca, certificate, key, chain] = await Promise.all([caFile, certificateFile, keyFile, chainFile].map(readText)) as [string, string, string, string];
	const issuers = readCertificates(chain, chainFile);
	const roots = issuers.filter(isSelfSigned);
	if (roots.length === 0) throw new BirthmarkError('config-invalid', `${chainFile} holds no root: it is to hold the certificates that sign at the external CA, up to the self-signed one`);
	return { ca, certificate, key, issuers, roots: roots.map(toPem).join('') };
}

/** What leads from a leaf of that issuer to a root, PEM, without the root (RFC 8446 §4.4.2). */
export function intermediatesOf(issuer: X509Certificate, issuers: readonly X509Certificate[]): string {
	const path: X509Certificate[] = [];
	for (let next: X509Certificate | undefined = issuer; next && !isSelfSigned(next) && path.length < issuers.length;) {
		const below: X509Certificate = next;
		path.push(below);
		next = issuers.find((candidate) => below.checkIssued(candidate));
	}
	return path.map(toPem).join('');
}

function readCertificates(text: string, path: string): X509Certificate[] {
	const certificates = (decodePem('CERTIFICATE', text) ?? []).map((der) => new X509Certificate(der));
	if (certificates.length === 0 || !certificates.every(({ ca }) => ca)) throw new BirthmarkError('config-invalid', `${path} does not hold CA certificates in PEM and nothing else`);
	return certificates;
}

async function readText(path: string): Promise<string> {
	return readFile(path, 'latin1').catch((cause: Error) => { throw unreadable(path, cause); });
}

function unreadable(path: string, cause: Error): BirthmarkError {
	return new BirthmarkError('config-invalid', `${path}, which externalCa names, cannot be read (${cause.message})`, { cause });
}

function isSelfSigned(certificate: X509Certificate): boolean {
	return certificate.checkIssued(certificate);
}

function toPem(certificate: X509Certificate): string {
	return encodePem('CERTIFICATE', certificate.raw);
}
