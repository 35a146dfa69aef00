/** The plugin's settings: the environment that config.json, the manifest, declares and `docker plugin set` changes. */

import { z } from 'zod';
import { parseCaUrls } from '#common/protocol/ca-urls.ts';
import { checkName } from '#common/protocol/names.ts';
import { parseToken } from '#common/protocol/token.ts';
import { parseConfig } from '#common/runtime/config.ts';
import { LOG_LEVELS } from '#common/runtime/log.ts';
import { parseMetricsAddress, type MetricsAddress } from './metrics/listener.ts';

/** An unset variable of the manifest arrives as an empty one. */
const optional = <Schema extends z.ZodType>(schema: Schema) => z.preprocess((value) => (value === '' ? undefined : value), schema.optional());
const absolutePath = z.string().startsWith('/', 'use an absolute path');

const schema = z.strictObject({
	CA_URL: optional(z.string().transform(caUrls)),
	JOIN_TOKEN: optional(z.string().refine(isJoinToken, 'this is not a join token (BMKJOIN-1-…); make one with: birthmark node token')),
	NODE_NAME: optional(z.string().refine(isNodeName, 'use a host name in lower case')),
	ENGINE_SOCKET: z.string().regex(/^[^/].*$/, 'use a path relative to the run mount').default('docker.sock'),
	START_GRACE_SECONDS: z.coerce.number().int().min(0).max(100, 'the engine waits for two minutes at most').default(30),
	POLICY_FILE: absolutePath.default('/etc/birthmark/policy.cedar'),
	LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
	METRICS_ADDRESS: optional(z.string().transform(metricsAddress)),
	GUARD_OF: optional(z.string().regex(/^[0-9a-f]{64}$/, 'use the id of a plugin, 64 hexadecimal digits; birthmark plugin upgrade sets it')),
	// Where things are inside the plugin; other values serve development and tests.
	DATA_DIRECTORY: absolutePath.default('/data'),
	RUN_DIRECTORY: absolutePath.default('/host/run'),
	AGENT_DIRECTORY: absolutePath.default('/agent'),
	PLUGIN_SOCKET: absolutePath.default('/run/docker/plugins/birthmark.sock'),
});

export type PluginConfig = Readonly<z.output<typeof schema>>;

/**
 * @param environment everything; variables of others are left alone
 * @throws BirthmarkError `config-invalid` with every fault
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): PluginConfig {
	const own = Object.keys(schema.shape).flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]]));
	return parseConfig(schema, Object.fromEntries(own), 'the settings of the plugin');
}

function caUrls(text: string, context: z.RefinementCtx): readonly string[] {
	const urls = parseCaUrls(text);
	if (urls) return urls;
	context.addIssue('use the address of the CA, for example https://ca.example.com:33004; of one with several instances: all of them, separated by commas');
	return z.NEVER;
}

function metricsAddress(text: string, context: z.RefinementCtx): MetricsAddress {
	const address = parseMetricsAddress(text);
	if (address) return address;
	context.addIssue('use HOST:PORT, for example 127.0.0.1:9323');
	return z.NEVER;
}

function isJoinToken(text: string): boolean {
	return succeeds(() => parseToken(text, 'join'));
}

function isNodeName(text: string): boolean {
	return succeeds(() => checkName('node name', text));
}

function succeeds(check: () => unknown): boolean {
	try {
		check();
		return true;
	} catch {
		return false;
	}
}
