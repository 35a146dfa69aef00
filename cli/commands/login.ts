/** `birthmark login`: an operator's certificate in exchange for a one-time token. */

import { generateKeyPairSync, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { JoinAnswer, JoinRequest } from '#common/protocol/messages.ts';
import { bundleDigest, parseToken } from '#common/protocol/token.ts';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { callAnonymously } from '../ca-client.ts';
import type { Context } from '../context.ts';
import { saveProfile } from '../profile.ts';

export function addLogin(program: Command, context: Context): void {
	program
		.command('login')
		.description('get an operator certificate with a token from "birthmark operator token"')
		.requiredOption('--ca <url>', 'address of the CA, e.g. https://ca.example:33004')
		.option('--token-file <path>', 'file with the token (default: standard input; never the command line, where others could read it)')
		.option('--json', 'print JSON')
		.action(async ({ ca, tokenFile, json }: { ca: string; tokenFile?: string; json?: boolean }) => {
			if (!ca.startsWith('https://')) throw new BirthmarkError('usage', 'the address of the CA begins with https://');
			if (tokenFile === undefined && process.stdin.isTTY) process.stderr.write('token: ');
			const text = readFileSync(tokenFile ?? 0, 'utf8').trim();
			const token = parseToken(text, 'join');
			const bundle = await callAnonymously(ca, undefined, 'GET', '/v1/roots');
			if (!timingSafeEqual(bundleDigest(bundle), token.bundleDigest)) throw new BirthmarkError('bundle-digest-mismatch', `the trust bundle of ${ca} is not the one that the token was made for: this is another CA, or somebody in between`);
			const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
			const request: JoinRequest = { csr: encodeCsr({ privateKey, publicKey }) };
			const answer = JSON.parse(await callAnonymously(ca, bundle, 'POST', '/v1/join', { json: request, token: text })) as JoinAnswer;
			if (answer.role !== 'operator') throw new BirthmarkError('forbidden', 'this is the token of a node, not of an operator');
			const file = await saveProfile({ way: 'tls', url: ca, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate: answer.certificate, bundle });
			if (json || context.wantsJson()) return context.output.json({ name: answer.name, trustDomain: answer.trustDomain, environment: answer.environment, file });
			context.output.line(`logged in to ${ca} as ${answer.name} (trust domain ${answer.trustDomain}, environment ${answer.environment})`);
		});
}
