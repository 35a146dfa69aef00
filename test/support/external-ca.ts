/** One CA below another: the upper one signs what the lower one's workloads ask for, by the cfssl protocol. */

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { startCa, temporaryFolder, type StartOptions, type TestCa } from './ca.ts';

export interface ExternalFilesOf {
	/** the setting `externalCa` up to its URLs */
	readonly files: string;
	readonly folder: string;
}

/** @param chain PEM: what signs at the upper CA, and its roots */
export function writeExternalFiles(t: ExecutionContext, ca: string | Buffer, credentials: { readonly key: string; readonly cert: string }, chain: string): ExternalFilesOf {
	const folder = temporaryFolder(t);
	const paths = Object.entries({ cacert: String(ca), cert: credentials.cert, key: credentials.key, chain }).map(([name, text]) => {
		const path = join(folder, `${name}.pem`);
		writeFileSync(path, text);
		chmodSync(path, 0o600);
		return `${name}=${path}`;
	});
	return { files: paths.join(','), folder };
}

/** A CA that signs as a cfssl server for its operator `below`, within these rules. */
export async function startUpperCa(t: ExecutionContext, allow: readonly string[] = ['*/*'], options: StartOptions = {}): Promise<TestCa & ExternalFilesOf & { readonly signUrl: string }> {
	const clients = [{ name: 'below', commonName: 'below', organizationalUnit: 'birthmark-operator', organization: 'upper', allow, allowOrganizations: ['production'] }];
	const ca = await startCa(t, { ...options, config: { environment: 'upper', listen: { host: '127.0.0.1', port: 0, names: ['localhost'] }, cfssl: { clients } } });
	const { result } = (await ca.request('POST', '/api/v1/cfssl/info', { body: {} })).json<{ result: { certificate: string } }>();
	const written = writeExternalFiles(t, ca.bundle, await ca.join('below', [], 'operator'), result.certificate + ca.bundle);
	return { ...ca, ...written, signUrl: `https://localhost:${ca.port}/api/v1/cfssl/sign` };
}

export function startLowerCa(t: ExecutionContext, externalCa: string, options: StartOptions = {}): Promise<TestCa> {
	return startCa(t, { ...options, config: { ...options.config, externalCa } });
}
