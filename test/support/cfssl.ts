/** A real `cfssl serve` (Debian's golang-cfssl, unpacked by the test set-up) with a root of its own, behind mutual TLS. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { TOOLS } from '../../scripts/paths.ts';
import { freePort } from '../../scripts/ports.ts';
import { temporaryFolder } from './ca.ts';
import { eventually } from './world.ts';

const PROGRAM = join(TOOLS, 'usr/bin/cfssl');

export const cfsslIsBuilt = existsSync(PROGRAM);

export interface Cfssl {
	readonly signUrl: string;
	/** PEM */
	readonly root: string;
	/** a client that it knows */
	readonly client: { readonly key: string; readonly cert: string };
}

export async function startCfssl(t: { teardown(clean: () => unknown): void }): Promise<Cfssl> {
	const folder = temporaryFolder(t);
	const path = (name: string): string => join(folder, name);
	const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
	const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '10'];
	openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/O=Company/CN=Company Root');
	for (const name of ['localhost', 'birthmark']) {
		openssl('req', '-x509', ...key, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-addext', 'basicConstraints=critical,CA:false');
		chmodSync(path(`${name}.key`), 0o600);
	}
	writeFileSync(path('config.json'), JSON.stringify({ signing: { default: { expiry: '24h', usages: ['digital signature', 'server auth', 'client auth'] } } }));
	const port = await freePort();
	const child = spawn(PROGRAM, [
		'serve', '-address', '127.0.0.1', '-port', String(port), '-ca', path('ca.pem'), '-ca-key', path('ca.key'), '-config', path('config.json'),
		'-tls-cert', path('localhost.pem'), '-tls-key', path('localhost.key'), '-mutual-tls-ca', path('ca.pem'),
	], { cwd: folder, stdio: 'ignore' });
	const ended = once(child, 'exit');
	t.teardown(async () => {
		child.kill();
		await ended;
	});
	const read = (name: string): string => readFileSync(path(name), 'utf8');
	const client = { key: read('birthmark.key'), cert: read('birthmark.pem') };
	await eventually('cfssl answers', () => answers({ host: '127.0.0.1', port, servername: 'localhost', ca: read('ca.pem'), agent: false, path: '/', ...client }));
	return { signUrl: `https://localhost:${port}/api/v1/cfssl/sign`, root: read('ca.pem'), client };
}

function answers(target: object): Promise<boolean> {
	return new Promise((resolve) => {
		request(target, (answer) => {
			answer.resume();
			resolve(true);
		}).on('error', () => resolve(false)).end();
	});
}
