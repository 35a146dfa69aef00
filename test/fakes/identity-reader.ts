/**
 * A process that reads an identity when it is told to, and answers with what was wrong: a file that is
 * missing, cut off, or holds a key that is not the certificate's.
 *
 *     identity-reader.ts DIRECTORY file|generation
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';

const [directory = '', what] = process.argv.slice(2);

function read(): { readonly key: string; readonly cert: string } {
	if (what === 'file') {
		const text = readFileSync(join(directory, 'identity.pem'), 'utf8');
		return { key: text, cert: text };
	}
	const folder = realpathSync(join(directory, 'current'));
	return { key: readFileSync(join(folder, 'tls.key'), 'utf8'), cert: readFileSync(join(folder, 'tls.crt'), 'utf8') };
}

process.on('message', () => {
	let fault = '';
	try {
		const { key, cert } = read();
		createSecureContext({ key, cert });
		if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) fault = 'key and certificate do not belong together';
	} catch (error) {
		fault = String(error);
	}
	process.send!(fault);
});
