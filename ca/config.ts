/**
 * The CA's configuration: `config.json` in the state folder, each value overridable by an
 * environment variable whose name follows from its path: `crl.refreshSeconds` is
 * `BIRTHMARK_CA_CRL_REFRESH_SECONDS`. `DATABASE_URL` is another name of `BIRTHMARK_CA_DATABASE_URL`.
 */

import { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_DEFAULT_PORT } from '#common/protocol/messages.ts';
import { checkDnsName, checkName } from '#common/protocol/names.ts';
import { checkTrustDomain } from '#common/protocol/spiffe-id.ts';
import { parseConfig } from '#common/runtime/config.ts';
import { LOG_LEVELS } from '#common/runtime/log.ts';
import { parseExternalAddress } from './issuance/external-address.ts';
import { MIN_LIFETIME_SECONDS, profilesSchema } from './issuance/profile-schema.ts';
import { checkRules } from './registration/allow.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

const seconds = (fallback: number, minimum = 1, maximum = YEAR) => z.int().min(minimum).max(maximum).default(fallback);
const checked = (check: (value: string) => unknown) => z.string().superRefine((value, context) => {
	try {
		check(value);
	} catch (error) {
		context.addIssue({ code: 'custom', message: (error as Error).message });
	}
});

/** for names, `*` and `?` as in allow rules */
const pattern = z.string().regex(/^[A-Za-z0-9*?._ -]{1,128}$/, 'is not a pattern of letters, digits, "*", "?", ".", "_", "-" and blanks');

const schema = z.strictObject({
	/** of every SPIFFE ID; O of the CA's own subjects, which bounds its length (RFC 5280 appendix A, ub-organization-name) */
	trustDomain: checked((value) => {
		checkTrustDomain(value);
		if (value.length > 64) throw new Error('is longer than 64 characters');
	}).default('birthmark.internal'),
	/** O of every certificate, first segment of every workload's SPIFFE ID */
	environment: checked((value) => checkName('environment', value)).default('production'),
	listen: z.strictObject({
		host: z.string().min(1).default('0.0.0.0'),
		port: z.int().min(0).max(65535).default(CA_DEFAULT_PORT),
		/** DNS names in the server's certificate beside `birthmark-ca`, for clients that ask for the host of the URL */
		names: z.array(checked(checkDnsName)).max(16).default([]),
	}).prefault({}),
	/** what the CA remembers, and where */
	database: z.strictObject({
		/** of a PostgreSQL server; null: the file in the state folder */
		url: checked(checkDatabaseUrl).nullable().default(null),
		/** connections to it at most */
		poolSize: z.int().min(2).max(100).default(10),
	}).prefault({}),
	/** what each kind of certificate is like */
	profiles: profilesSchema,
	/** how long the token of a start may wait to be redeemed */
	tokenTtlSeconds: seconds(120),
	/** how long the same token with the same key gets the same certificate again */
	redemptionWindowSeconds: seconds(600, 0, DAY),
	joinTokenTtlSeconds: seconds(HOUR),
	/** tokens that users sign themselves */
	userTokens: z.strictObject({
		/** the most that may lie between their `iat` and their `exp` */
		maximumSeconds: seconds(HOUR, 1, 7 * DAY),
		/** by how much the clock of whoever signs may be ahead */
		skewSeconds: seconds(30, 0, HOUR),
	}).prefault({}),
	/** who may use this CA as a cfssl server, see `registration/cfssl-clients.ts` */
	cfssl: z.strictObject({
		clients: z.array(z.strictObject({
			name: checked((value) => checkName('user name', value)),
			clientCaFile: z.string().min(1).nullable().default(null),
			commonName: pattern.default('*'),
			organizationalUnit: pattern,
			organization: pattern,
			allow: z.array(checked((rule) => checkRules([rule]))).min(1).max(64),
			allowOrganizations: z.array(pattern).max(16).default([]),
			lifetimeSeconds: z.int().min(MIN_LIFETIME_SECONDS).max(YEAR).nullable().default(null),
		})).max(64).default([]),
	}).prefault({}),
	/** where workloads' certificates come from, see `issuance/external-address.ts`; null: from this CA */
	externalCa: checked(parseExternalAddress).nullable().default(null),
	/** by how much a certificate begins before it was issued, for clocks that are behind */
	backdateSeconds: seconds(60, 0, HOUR),
	/** plain HTTP for those who check certificates, who cannot trust this CA's TLS before they have: lists, issuers, OCSP, nothing else */
	publicHttp: z.strictObject({
		host: z.string().min(1).default('0.0.0.0'),
		/** null: there is no such listener */
		port: z.int().min(0).max(65535).nullable().default(null),
		/** how others reach it, the same for every instance; null: certificates name no such address */
		url: checked(checkPublicUrl).nullable().default(null),
	}).prefault({}),
	crl: z.strictObject({
		/** how often a new list is made although nothing was revoked */
		refreshSeconds: seconds(HOUR),
		/** from thisUpdate to nextUpdate */
		lifetimeSeconds: seconds(DAY),
		/** how many certificates share the list that their distribution point names */
		partitionSize: z.int().min(10).max(1_000_000).default(20_000),
	}).prefault({}),
	ocsp: z.strictObject({
		/** from thisUpdate to nextUpdate of an answer */
		lifetimeSeconds: seconds(HOUR, 60, 7 * DAY),
		/** how long HTTP caches may keep an answer; a revocation shows behind them only afterwards */
		cacheSeconds: seconds(0, 0, DAY),
	}).prefault({}),
	/** what one client may take */
	limits: z.strictObject({
		/** of all clients together, per listener */
		connections: z.int().min(16).max(100_000).default(8192),
		/** of one address, per listener; beyond that one goes that can be missed, see `http/connections.ts` */
		connectionsPerAddress: z.int().min(4).max(100_000).default(512),
		/** for the handshake, and for the head of a request */
		headerSeconds: seconds(10, 1, 60),
		/** for the whole of a request; twice as long may nothing move while it is answered */
		requestSeconds: seconds(30, 1, 600),
	}).prefault({}),
	/** who sends bad CSRs or tokens, or fails to say who it is, is shut out; see `defence/` */
	blackhole: z.strictObject({
		windowSeconds: seconds(60, 1, HOUR),
		/** so many bad CSRs of one certificate or with one token within the window shut it out */
		failures: z.int().min(1).max(1000).default(10),
		/** so many bad tokens and failed authentications of one address */
		addressFailures: z.int().min(1).max(100_000).default(100),
		/** the first time; each further time twice as long */
		shutOutSeconds: seconds(10, 1, DAY),
		/** never longer; after so long without a failure a source begins anew */
		maximumSeconds: seconds(HOUR, 1, DAY),
		/** how many addresses, tokens and certificates are remembered, each */
		sources: z.int().min(100).max(1_000_000).default(10_000),
	}).prefault({}),
	/** how long is remembered what is over */
	retention: z.strictObject({
		/** certificates after their end, with what belongs to them alone */
		expiredDays: z.int().min(1).max(3650).default(30),
	}).prefault({}),
	/** plain HTTP, `GET /metrics` and nothing else, for those who scrape */
	metrics: z.strictObject({
		host: z.string().min(1).default('127.0.0.1'),
		/** null: there is no such listener; operators find the same at `/v1/metrics` */
		port: z.int().min(0).max(65535).nullable().default(null),
	}).prefault({}),
	/** under which the CA's private keys are kept; `$BIRTHMARK_CA_KEY_ENCRYPTION_KEY` goes first */
	keyEncryption: z.strictObject({
		/** null: key-encryption.key in the state folder */
		file: z.string().min(1).nullable().default(null),
	}).prefault({}),
	rotation: z.strictObject({
		/** how long a change of the bundle or of the lists has to spread before the next step; revocation lists are fetched every few seconds */
		settleSeconds: seconds(30, 0, DAY),
	}).prefault({}),
	logLevel: z.enum(LOG_LEVELS).default('info'),
}).superRefine((config, context) => {
	if (config.limits.headerSeconds > config.limits.requestSeconds) {
		context.addIssue({ code: 'custom', path: ['limits', 'headerSeconds'], message: 'is more than limits.requestSeconds' });
	}
	if (config.blackhole.shutOutSeconds > config.blackhole.maximumSeconds) {
		context.addIssue({ code: 'custom', path: ['blackhole', 'shutOutSeconds'], message: 'is more than blackhole.maximumSeconds' });
	}
	// RFC 5280 §3.3: what was revoked is on a list that was made after its end.
	if (config.retention.expiredDays * DAY < config.crl.lifetimeSeconds) {
		context.addIssue({ code: 'custom', path: ['retention', 'expiredDays'], message: 'is less than crl.lifetimeSeconds: what was revoked would leave the lists too early' });
	}
	if (config.crl.refreshSeconds >= config.crl.lifetimeSeconds) {
		const message = 'is not less than crl.lifetimeSeconds: lists would run out before the next is made';
		context.addIssue({ code: 'custom', path: ['crl', 'refreshSeconds'], message });
	}
	if (config.profiles.ocsp.lifetimeSeconds < 2 * config.ocsp.lifetimeSeconds) {
		const message = 'is less than twice ocsp.lifetimeSeconds: answers would outlive who signed them';
		context.addIssue({ code: 'custom', path: ['profiles', 'ocsp', 'lifetimeSeconds'], message });
	}
	if (config.ocsp.cacheSeconds >= config.ocsp.lifetimeSeconds) {
		context.addIssue({ code: 'custom', path: ['ocsp', 'cacheSeconds'], message: 'is not less than ocsp.lifetimeSeconds: caches would hand out answers that have run out' });
	}
});

export type CaConfig = Readonly<z.output<typeof schema>>;

/**
 * @param text contents of `config.json`
 * @param environment variables that override it; other variables, `BIRTHMARK_CA_*` or not, are ignored, because engines make
 * some of their own out of service names (`BIRTHMARK_CA_PORT=tcp://…`)
 * @throws BirthmarkError `config-invalid` with every fault
 */
export function readCaConfig(text: string, environment: Readonly<Record<string, string | undefined>>): CaConfig {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (cause) {
		throw new BirthmarkError('config-invalid', 'config.json is not JSON', { cause });
	}
	if (!isTree(value)) throw new BirthmarkError('config-invalid', 'config.json is not a JSON object');
	const names = { BIRTHMARK_CA_DATABASE_URL: environment['DATABASE_URL'], ...environment };
	return parseConfig(schema, override(value, schema.parse({}), names, 'BIRTHMARK_CA'), 'the configuration of the CA');
}

const DATABASE_PARAMETERS: readonly string[] = ['host', 'port', 'user', 'password', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'];

/**
 * Says nothing of the value: it holds a password. A way that others could listen on is encrypted, and
 * the server at its end is proved to be the one, or the configuration says that this is not wanted:
 * without the parameter the driver would use no TLS at all. It would also follow parameters that take back what
 * the CA relies on (time-outs, `uselibpqcompat`), pass over what it does not know (`channel_binding`),
 * and where a URL has no host, ask that of `$PGHOST`.
 */
function checkDatabaseUrl(value: string): void {
	if (!URL.canParse(value) || !['postgres:', 'postgresql:'].includes(new URL(value).protocol)) {
		throw new Error('is not a URL such as postgresql://user:password@host:5432/database?sslmode=verify-full');
	}
	const { hostname, searchParams } = new URL(value);
	const names = [...searchParams.keys()];
	if (new Set(names).size < names.length) throw new Error('has a parameter twice: leave one out');
	if (!names.every((name) => DATABASE_PARAMETERS.includes(name))) throw new Error(`has a parameter that the CA does not follow; it follows ${DATABASE_PARAMETERS.join(', ')}`);
	const host = searchParams.get('host') ?? hostname;
	const isHere = host.startsWith('/') || ['localhost', '127.0.0.1', '[::1]'].includes(host);
	if (!isHere && !['verify-full', 'disable'].includes(searchParams.get('sslmode') ?? '')) {
		throw new Error('does not say how the server is reached: add ?sslmode=verify-full (and &sslrootcert=FILE for a CA of your own), or ?sslmode=disable where nobody can listen');
	}
}

/** RFC 5280 §4.2.1.13 and RFC 6960 §3.1: over https a verifier would have to check this CA's certificate to be able to check it. */
function checkPublicUrl(value: string): void {
	const url = URL.canParse(value) ? new URL(value) : undefined;
	const isPlain = url !== undefined && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
	if (!isPlain || url.protocol !== 'http:' || /[^!-~]/.test(value)) throw new Error('is not a plain http:// URL, such as http://ca.example.com:33005');
	if (value.endsWith('/')) throw new Error('ends with "/": leave that out');
}

type Tree = { [key: string]: unknown };

function isTree(value: unknown): value is Tree {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A copy of `value` in which the leaves of `shape` are replaced by what the environment says. */
function override(value: Tree, shape: object, environment: Readonly<Record<string, string | undefined>>, prefix: string): Tree {
	const result = { ...value };
	for (const [key, fallback] of Object.entries(shape)) {
		const name = `${prefix}_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
		const text = environment[name];
		if (Array.isArray(fallback)) {
			if (text !== undefined && text !== '') result[key] = text.split(',');
		} else if (typeof fallback === 'object' && fallback !== null) {
			const inner = key in result ? result[key] : {};
			if (isTree(inner)) result[key] = override(inner, fallback, environment, name);
		} else if (text !== undefined && text !== '') {
			result[key] = typeof fallback === 'string' ? text : valueOf(text);
		}
	}
	return result;
}

/** Numbers and truth values as such; the schema says which are wanted. */
function valueOf(text: string): unknown {
	if (/^\d+$/.test(text)) return Number(text);
	return text === 'true' ? true : text === 'false' ? false : text;
}
