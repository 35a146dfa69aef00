/** The files of one generation: PEM, and what else programs read, by label. */

import { createPrivateKey } from 'node:crypto';
import { decodePem } from '#common/x509/pem.ts';
import type { Format } from '#common/protocol/publication.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Identity } from './identity.ts';
import { encodeKeyStore, encodeTrustStore } from './pkcs12.ts';

export interface GenerationFile {
	readonly name: string;
	readonly data: string | Buffer;
	/** a key is in it, or what opens one */
	readonly isSecret: boolean;
}

type Material = Pick<Identity, 'key' | 'chain' | 'bundle'>;

export interface Surroundings {
	/** of the generation, as its readers see it */
	readonly folder: string;
	/** of key and trust store */
	readonly storePassword: string;
}

export function filesOf(identity: Material, formats: readonly Format[], surroundings: Surroundings): GenerationFile[] {
	return [pem(identity), ...formats.map((format) => WRITERS[format](identity, surroundings))].flat();
}

const secret = (name: string, data: string | Buffer): GenerationFile => ({ name, data, isSecret: true });
const open = (name: string, data: string | Buffer): GenerationFile => ({ name, data, isSecret: false });

const WRITERS: Readonly<Record<Format, (identity: Material, surroundings: Surroundings) => readonly GenerationFile[]>> = {
	pem: () => [],
	pkcs12,
	haproxy: ({ key, chain }) => [secret(VolumeFile.combined, chain + key)],
	der,
	nginx: (_, { folder }) => [open(VolumeFile.nginx, `ssl_certificate ${folder}/${VolumeFile.certificate};\nssl_certificate_key ${folder}/${VolumeFile.key};\n`)],
};

function pem({ key, chain, bundle }: Material): GenerationFile[] {
	return [secret(VolumeFile.identity, key + chain), secret(VolumeFile.key, key), open(VolumeFile.certificate, chain), open(VolumeFile.bundle, bundle)];
}

function pkcs12({ key, chain, bundle }: Material, { storePassword }: Surroundings): GenerationFile[] {
	return [
		secret(VolumeFile.keyStore, encodeKeyStore(key, chain, storePassword)),
		open(VolumeFile.trustStore, encodeTrustStore(bundle.toString('latin1'), storePassword)),
		secret(VolumeFile.storePassword, storePassword),
	];
}

/** PKCS#8, and certificates one after the other, as the SPIFFE Workload API has them (§5.2.1). */
function der({ key, chain, bundle }: Material): GenerationFile[] {
	return [
		secret(VolumeFile.keyDer, createPrivateKey(key).export({ type: 'pkcs8', format: 'der' })),
		open(VolumeFile.certificateDer, Buffer.concat(decodePem('CERTIFICATE', chain) ?? [])),
		open(VolumeFile.bundleDer, Buffer.concat(decodePem('CERTIFICATE', bundle.toString('latin1')) ?? [])),
	];
}
