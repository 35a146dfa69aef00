/** `birthmark login`: an operator's certificate in exchange for a one-time token. */

import { generateKeyPairSync, timingSafeEqual, X509Certificate, type KeyObject } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Command } from 'commander';
import { parseCaUrls } from '#common/protocol/ca-urls.ts';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { JoinAnswer, JoinRequest } from '#common/protocol/messages.ts';
import { bundleDigest, parseToken } from '#common/protocol/token.ts';
import { createFailOver, type FailOver } from '#common/runtime/fail-over.ts';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { callAnonymously } from '../ca-client.ts';
import type { Context } from '../context.ts';
import { saveProfile } from '../profile.ts';

/** A token has 85 or 86 characters. */
const MAX_TOKEN_FILE = 1024;

export function addLogin(program: Command, context: Context): void {
	program
		.command('login')
		.description('get an operator certificate with a token from "birthmark operator token"')
		.requiredOption('--ca <urls>', 'address of the CA, e.g. https://ca.example:33004; of one with several instances all of them')
		.option('--token-file <path>', 'file with the token (default: standard input; never the command line, where others could read it)')
		.option('--json', 'print JSON')
		.action(async ({ ca, tokenFile }: { ca: string; tokenFile?: string }) => {
			const urls = parseCaUrls(ca);
			if (!urls) throw new BirthmarkError('usage', 'write the address of the CA as https://HOST:PORT, several of one CA separated by commas');
			const instances = createFailOver(urls);
			const text = await readToken(tokenFile);
			const token = parseToken(text, 'join');
			const bundle = await fetchBundle(instances, token.bundleDigest);
			if (!timingSafeEqual(bundleDigest(bundle), token.bundleDigest)) {
				const why = 'this is another CA, or somebody in between';
				throw new BirthmarkError('bundle-digest-mismatch', `the trust bundle of ${ca} is not the one that the token was made for: ${why}`);
			}
			const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
			const request: JoinRequest = { role: 'operator', csr: encodeCsr({ privateKey, publicKey }) };
			const answer = parseAnswer(await callAnonymously(instances, bundle, 'POST', '/v1/join', { json: request, token: text }), privateKey);
			if (answer.role !== 'operator') throw new BirthmarkError('forbidden', 'this is the token of a node, not of an operator');
			const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
			// The CA knows by the token that this login trusts this bundle.
			const file = await saveProfile({ way: 'tls', urls, key, certificate: answer.certificate, bundle });
			const { name, trustDomain, environment } = answer;
			if (context.wantsJson()) return context.output.json({ name, trustDomain, environment, file });
			context.output.line(`logged in to ${ca} as ${name} (trust domain ${trustDomain}, environment ${environment})`);
		});
}

/** The bundle that the token was made for, or another one. */
async function fetchBundle(instances: FailOver<string>, digest: Buffer): Promise<string> {
	try {
		return await callAnonymously(instances, undefined, 'GET', `/v1/roots?digest=${digest.toString('hex')}`);
	} catch (error) {
		if (errorCode(error) === 'not-found') return '';
		throw error;
	}
}

/** The first line of the file, or of standard input. Not by readFileSync(0): commander loads `process.stdin`, which makes a pipe non-blocking. */
async function readToken(file: string | undefined): Promise<string> {
	if (file === undefined && process.stdin.isTTY) process.stderr.write('token: ');
	let text = '';
	try {
		for await (const chunk of file === undefined ? process.stdin : createReadStream(file)) {
			text += String(chunk);
			if (text.includes('\n') || text.length > MAX_TOKEN_FILE) break;
		}
	} catch (cause) {
		throw new BirthmarkError('usage', `the token cannot be read: ${(cause as Error).message}`, { cause });
	}
	return text.split('\n')[0]!.trim();
}

/** What the CA says is checked before a login that works is replaced by one that does not. */
function parseAnswer(text: string, privateKey: KeyObject): JoinAnswer {
	try {
		const answer = JSON.parse(text) as JoinAnswer;
		if (new X509Certificate(answer.certificate).checkPrivateKey(privateKey)) return answer;
	} catch (cause) {
		throw new BirthmarkError('ca-protocol', 'the CA answered something that is no certificate', { cause });
	}
	throw new BirthmarkError('ca-protocol', 'the certificate that the CA sent is for another key');
}
