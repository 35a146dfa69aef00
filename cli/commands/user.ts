/** `birthmark user`: those who sign tokens with keys of their own, and their tokens. */

import { createHash } from 'node:crypto';
import { Option, type Command } from 'commander';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { RevokeAnswer, UserInfo, UserRequest } from '#common/protocol/messages.ts';
import { checkDnsName, checkName } from '#common/protocol/names.ts';
import { DEFAULT_USER_TOKEN_ROLE, type UserTokenAlgorithm } from '#common/protocol/user-token.ts';
import type { Context } from '../context.ts';
import { formatTable } from '../output.ts';
import { loadProfile } from '../profile.ts';
import { parseSeconds } from '../span.ts';
import { generateUserKey, readPublicKey, readUserKey, writeUserKey } from '../user-key.ts';

const ALGORITHMS: readonly UserTokenAlgorithm[] = ['ES256', 'EdDSA', 'RS256'];
const DEFAULT_TTL_SECONDS = 600;

interface TokenOptions {
	readonly cn: string;
	readonly ou: string;
	readonly dns: string[];
	readonly ttl: number;
	readonly key: string;
	readonly user?: string;
	readonly caDigest?: string;
}

export function addUser(program: Command, context: Context): void {
	const user = program.command('user').description('those who enrol with tokens that they sign themselves');
	addKeyCommands(user, context);
	addRegistryCommands(user, context);
}

/** What needs no CA. */
function addKeyCommands(user: Command, context: Context): void {
	user
		.command('new')
		.description('make a key for a user, here and now; the public part is printed, for "birthmark user add"')
		.argument('<name>')
		.addOption(new Option('--algorithm <name>', 'what its tokens are signed with').choices(ALGORITHMS).default('ES256'))
		.requiredOption('--out <keyfile>', 'where the private key goes, readable by you alone; an existing file is left alone')
		.option('--json', 'print JSON')
		.action((name: string, { algorithm, out }: { algorithm: UserTokenAlgorithm; out: string }) => {
			checkName('user name', name);
			const { privateKey, publicKey } = generateUserKey(algorithm);
			writeUserKey(out, name, privateKey);
			const pem = publicKey.export({ format: 'pem', type: 'spki' });
			if (context.wantsJson()) return context.output.json({ user: name, algorithm, file: out, publicKey: pem, jwk: publicKey.export({ format: 'jwk' }) });
			context.output.line(pem.trimEnd());
		});

	user
		.command('token')
		.description('sign a token for one container, off line; it is redeemed once, by an agent or "POST /v1/sign"')
		.requiredOption('--cn <name>', 'name of the service instance')
		.option('--ou <role>', 'its role', DEFAULT_USER_TOKEN_ROLE)
		.option('--dns <name...>', 'more DNS names', [])
		.option('--ttl <span>', 'how long it may wait to be redeemed, e.g. 10m', parseSeconds, DEFAULT_TTL_SECONDS)
		.requiredOption('--key <keyfile>', 'from "birthmark user new", or a private key in PEM')
		.option('--user <name>', 'whose key it is (default: what the key file says)')
		.option('--ca-digest <hex>', 'SHA-256 of the CA\'s trust bundle (default: of the CA that you are logged in to)')
		.option('--json', 'print JSON')
		.action(async ({ cn, ou, dns, ttl, key: path, user: given, caDigest }: TokenOptions, command: Command) => {
			const key = readUserKey(path);
			const name = given ?? key.user;
			if (name === undefined) throw new BirthmarkError('usage', `${path} does not say whose key it is: add --user NAME`);
			const request = {
				user: checkName('user name', name),
				commonName: checkName('common name', cn),
				organizationalUnit: checkName('role', ou),
				dnsNames: dns.map(checkDnsName),
				bundleDigest: caDigest === undefined ? savedDigest(command.optsWithGlobals<{ caSocket?: string }>().caSocket) : checkDigest(caDigest),
				ttlSeconds: ttl,
				now: context.now(),
			};
			// Only this command needs the library.
			const { signUserToken } = await import('../user-token.ts');
			const { token, expiresAt } = await signUserToken(key, request);
			if (context.wantsJson()) return context.output.json({ token, expiresAt: expiresAt.toISOString() });
			context.output.line(token);
		});
}

/** What an operator does at the CA. */
function addRegistryCommands(user: Command, context: Context): void {
	const path = (name: string): string => `/v1/users/${encodeURIComponent(name)}`;

	user
		.command('add')
		.description('let a user enrol names with tokens that it signs')
		.argument('<name>')
		.requiredOption('--public-key <file>', 'PEM or JWK')
		.option('--allow <cn/ou...>', 'names that it may enrol, e.g. "api*/web-api"; * and ? are wildcards', [])
		.option('--json', 'print JSON')
		.action(async (name: string, { publicKey, allow }: { publicKey: string; allow: string[] }) => {
			const request: UserRequest = { name, publicKey: readPublicKey(publicKey), allow };
			const added = await context.ca().json<UserInfo>('POST', '/v1/users', request);
			if (context.wantsJson()) return context.output.json(added);
			context.output.line(`${added.name} signs with ${added.algorithm} and may enrol: ${added.allow.join(', ') || '(nothing)'}`);
		});

	user
		.command('ls')
		.description('list users')
		.option('--json', 'print JSON')
		.action(async () => {
			const { users } = await context.ca().json<{ users: UserInfo[] }>('GET', '/v1/users');
			if (context.wantsJson()) return context.output.json({ users });
			const rows = users.map((item) => [item.name, item.status, item.algorithm, String(item.liveIdentities), item.createdAt, item.allow.join(', ') || '(nothing)']);
			context.output.line(formatTable(['USER', 'STATUS', 'ALGORITHM', 'LIVE', 'SINCE', 'MAY ENROL'], rows));
		});

	user
		.command('allow')
		.description('say anew which names a user may enrol')
		.argument('<name>')
		.argument('<cn/ou...>', 'these and no others, e.g. "api*/web-api"')
		.option('--json', 'print JSON')
		.action(async (name: string, patterns: string[]) => {
			const changed = await context.ca().json<UserInfo>('PATCH', path(name), { allow: patterns });
			if (context.wantsJson()) return context.output.json(changed);
			context.output.line(`${changed.name} may enrol: ${changed.allow.join(', ')}`);
		});

	user
		.command('rm')
		.description('cut a user off: its tokens count no more, and everything it enrolled is revoked at once')
		.argument('<name>')
		.option('--json', 'print JSON')
		.action(async (name: string) => {
			const answer = await context.ca().json<RevokeAnswer>('DELETE', path(name));
			if (context.wantsJson()) return context.output.json(answer);
			context.output.line(`${name} is cut off; revoked ${answer.revoked} certificate${answer.revoked === 1 ? '' : 's'}`);
		});
}

function checkDigest(hex: string): string {
	if (!/^[0-9a-f]{64}$/i.test(hex)) throw new BirthmarkError('usage', '--ca-digest is not 64 hexadecimal digits; "ca init" prints it, and the CA in its log when it is ready');
	return hex.toLowerCase();
}

/** Of the bundle that the login is pinned to: nobody has to be asked. @param socket from `--ca-socket` */
function savedDigest(socket: string | undefined): string {
	const profile = loadProfile(socket);
	if (profile.way !== 'tls') throw new BirthmarkError('usage', 'over the admin socket there is no login that knows the CA: add --ca-digest');
	return createHash('sha256').update(profile.bundle).digest('hex');
}
