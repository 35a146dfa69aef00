/**
 * The `birthmark.*` labels: how a user asks for an identity. Written in docs/configuration.md; hook/ writes
 * them, this file reads them.
 */

import { AUTO_NAME, type AutoNames } from '#common/protocol/auto-names.ts';
import { AGENT_MODES, type AgentMode, type AgentSettings } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkDnsName, checkName, quote, roleOf } from '#common/protocol/names.ts';
import { WORKLOAD_PROFILES, type Names, type WorkloadProfile } from '#common/protocol/messages.ts';
import { MAX_ID, parseFormats, parseKeyMode } from '#common/protocol/publication.ts';
import { parseReload, parseReloadOccasion, parseServedAddress } from '#common/protocol/reload.ts';
import { editDistance, nearest } from './nearest.ts';

const PREFIX = 'birthmark.';
/** What somebody meant to begin so: other letters, blanks or quotes before it, another sign after it. */
const ALMOST_PREFIX = /^[^a-z0-9]*birthmark(?![a-z0-9])/i;
/** Letters that are wrong, missing or too many, at most; two that are exchanged are two. */
const MISSPELT_LETTERS = 2;
export const COMMON_NAME_LABEL = 'birthmark.cn';
const LABELS = ['birthmark.cn', 'birthmark.ou', 'birthmark.dns', 'birthmark.profile', 'birthmark.ttl', 'birthmark.uid', 'birthmark.gid', 'birthmark.mode', 'birthmark.key-mode', 'birthmark.formats', 'birthmark.size', 'birthmark.inodes', 'birthmark.ca', 'birthmark.agent', 'birthmark.reload', 'birthmark.reload-on', 'birthmark.port'] as const;
type Label = (typeof LABELS)[number];

const MAX_DNS_NAMES = 16;
const MIN_LIFETIME_SECONDS = 10;
const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600 };

/** Key, chain, bundle and two generations of them take about 40 KiB; a CRL of 10 000 entries 600 KiB. */
const DEFAULT_SIZE_BYTES = 1024 * 1024;
const DEFAULT_INODES = 128;
/** What an identity cannot do without, and what one container may take of the host's memory. */
const SIZE_LIMITS = [128 * 1024, 64 * 1024 * 1024] as const;
const INODE_LIMITS = [64, 4096] as const;
const BYTES: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 * 1024 };

export interface IdentityLabels {
	readonly names: Names;
	/** they are not in the labels, but those of the container on its engine */
	readonly isAuto?: true;
	/** what the certificates are for; the CA's default when absent */
	readonly profile?: WorkloadProfile;
	/** of the certificates; the CA's default when absent */
	readonly lifetimeSeconds?: number;
	/** for whom the files are; the container's user when absent */
	readonly uid?: number;
	readonly gid?: number;
	/** permission bits of the identity directory; by default as narrow as they can be */
	readonly mode?: number;
	/** limits of the tmpfs */
	readonly sizeBytes: number;
	readonly inodes: number;
	readonly caWay: 'relay' | 'network';
	/** who runs the agent; absent: as the delivery has it */
	readonly agentMode?: AgentMode;
	/** what the agent is told */
	readonly settings: AgentSettings;
}

/**
 * The labels of a container: the image's, and over them its own, be they empty (moby,
 * daemon/commit.go `merge`).
 */
export function withImageLabels(own: ReadonlyMap<string, string>, image: { readonly Config?: { readonly Labels?: Readonly<Record<string, string>> | null } | null } | undefined): ReadonlyMap<string, string> {
	return new Map([...Object.entries(image?.Config?.Labels ?? {}), ...own]);
}

/** Those that begin with `birthmark.`, sorted by name: what is compared of a container. */
export function identityLabelsOf(labels: ReadonlyMap<string, string>): Array<readonly [name: string, value: string]> {
	return [...labels].filter(([name]) => name.startsWith(PREFIX)).sort(([one], [other]) => (one < other ? -1 : 1));
}

export function hasIdentityLabels(labels: ReadonlyMap<string, string>): boolean {
	return [...labels.keys()].some((name) => name.startsWith(PREFIX));
}

/**
 * A label that only looks like one of ours would give its container no identity, and nobody a word.
 *
 * @throws BirthmarkError `label-unknown`
 */
export function refuseAlmostLabels(labels: ReadonlyMap<string, string>): void {
	const name = [...labels.keys()].find((key) => !key.startsWith(PREFIX) && (ALMOST_PREFIX.test(key) || isMisspelt(key)));
	if (name !== undefined) throw unknown(name);
}

/** Somebody else's prefix may be like ours; with one of our names behind it, it is ours with a slip in it. */
function isMisspelt(key: string): boolean {
	const [, prefix = '', name] = /^(b[a-z]*\.)(.*)$/s.exec(key) ?? [];
	return (LABELS as readonly string[]).includes(PREFIX + name) && editDistance(prefix, PREFIX, MISSPELT_LETTERS) <= MISSPELT_LETTERS;
}

/**
 * @param auto what `birthmark.cn=auto` means here; absent where the engine vouches for no name
 * @returns undefined when no label begins with `birthmark.`
 * @throws BirthmarkError `label-unknown`, `label-illegal`, `label-missing` or `name-illegal`
 */
export function parseIdentityLabels(all: ReadonlyMap<string, string>, auto?: AutoNames): IdentityLabels | undefined {
	refuseAlmostLabels(all);
	const labels = new Map<string, string>();
	for (const [name, value] of all) if (name.startsWith(PREFIX)) labels.set(name, value);
	if (labels.size === 0) return undefined;

	for (const name of labels.keys()) {
		if (!(LABELS as readonly string[]).includes(name)) throw unknown(name);
	}
	const get = (name: Label): string | undefined => labels.get(name);
	const instance = get('birthmark.cn');
	if (instance === undefined) {
		throw new BirthmarkError(
			'label-missing',
			`the label birthmark.cn is missing beside ${[...labels.keys()].join(', ')}; add --label birthmark.cn=NAME`,
		);
	}
	const isAuto = instance === AUTO_NAME;
	const commonName = isAuto ? checkAutoName(auto) : checkName('common name', instance);
	const profile = get('birthmark.profile');
	const ttl = get('birthmark.ttl');
	const uid = get('birthmark.uid');
	const gid = get('birthmark.gid');
	const mode = get('birthmark.mode');
	const agentMode = get('birthmark.agent');
	return {
		names: {
			commonName,
			organizationalUnit: checkName('role', get('birthmark.ou') ?? (isAuto ? auto?.organizationalUnit : undefined) ?? roleOf(commonName)),
			dnsNames: parseDnsNames(get('birthmark.dns')),
		},
		...(isAuto && { isAuto }),
		...(profile !== undefined && { profile: parseProfile(profile) }),
		...(ttl !== undefined && { lifetimeSeconds: parseLifetime(ttl) }),
		...(uid !== undefined && { uid: parseId('birthmark.uid', uid) }),
		...(gid !== undefined && { gid: parseId('birthmark.gid', gid) }),
		...(mode !== undefined && { mode: parseMode(mode) }),
		sizeBytes: parseSize(get('birthmark.size')),
		inodes: parseInodes(get('birthmark.inodes')),
		caWay: parseCaWay(get('birthmark.ca') ?? 'relay', agentMode),
		...(agentMode !== undefined && { agentMode: parseAgentMode(agentMode) }),
		settings: { ...parsePublicationSettings(get), ...parseReloadSettings(get) },
	};
}

/** Checked here and passed on as they were written. */
function parsePublicationSettings(get: (name: Label) => string | undefined): Pick<AgentSettings, 'formats' | 'keyMode'> {
	const formats = get('birthmark.formats');
	const keyMode = get('birthmark.key-mode');
	if (formats !== undefined) parseFormats(formats, (why) => illegal('birthmark.formats', formats, why));
	if (keyMode !== undefined) parseKeyMode(keyMode, (why) => illegal('birthmark.key-mode', keyMode, why));
	return { ...(formats !== undefined && { formats }), ...(keyMode !== undefined && { keyMode }) };
}

/** The same for what the application does with a new certificate. */
function parseReloadSettings(get: (name: Label) => string | undefined): Pick<AgentSettings, 'reload' | 'reloadOn' | 'port'> {
	const reload = get('birthmark.reload');
	const reloadOn = get('birthmark.reload-on');
	const port = get('birthmark.port');
	if (reload !== undefined) parseReload(reload, (why) => illegal('birthmark.reload', reload, why));
	if (reloadOn !== undefined) parseReloadOccasion(reloadOn, (why) => illegal('birthmark.reload-on', reloadOn, why));
	if (reloadOn !== undefined && reload === undefined) throw illegal('birthmark.reload-on', reloadOn, 'it says when birthmark.reload is done, which is missing');
	if (port !== undefined) parseServedAddress(port, (why) => illegal('birthmark.port', port, why));
	if (port !== undefined && get('birthmark.profile') === 'client') throw illegal('birthmark.port', port, 'a certificate of the profile client is not for servers');
	const label = reload !== undefined ? 'birthmark.reload' : 'birthmark.port';
	if ((reload ?? port) !== undefined && get('birthmark.agent') === 'node') throw illegal(label, (reload ?? port)!, 'with birthmark.agent=node nothing of ours runs in the container that could do it');
	return { ...(reload !== undefined && { reload }), ...(reloadOn !== undefined && { reloadOn }), ...(port !== undefined && { port }) };
}

/** @throws BirthmarkError `label-missing`, `name-illegal` */
function checkAutoName(auto: AutoNames | undefined): string {
	if (auto === undefined) throw new BirthmarkError('label-missing', 'birthmark.cn=auto takes the name of the container or of its service; give it one with --name NAME');
	try {
		return checkName('common name', auto.commonName);
	} catch (cause) {
		throw new BirthmarkError('name-illegal', `birthmark.cn=auto takes the name of the container or of its service: ${(cause as Error).message}; give it another name, or write birthmark.cn=NAME`, { cause });
	}
}

function parseDnsNames(value: string | undefined): string[] {
	if (value === undefined) return [];
	const names = [...new Set(value.split(',').map((name) => checkDnsName(name.trim())))];
	if (names.length > MAX_DNS_NAMES) throw illegal('birthmark.dns', value, `more than ${MAX_DNS_NAMES} names`);
	return names;
}

function parseProfile(value: string): WorkloadProfile {
	const profile = WORKLOAD_PROFILES.find((known) => known === value);
	if (profile === undefined) throw illegal('birthmark.profile', value, `use ${WORKLOAD_PROFILES.join(', ')}`);
	return profile;
}

function parseLifetime(value: string): number {
	const match = /^([0-9]{1,9})([smh]?)$/.exec(value);
	const seconds = match ? Number(match[1]) * SECONDS[match[2]!]! : 0;
	if (seconds < MIN_LIFETIME_SECONDS) throw illegal('birthmark.ttl', value, `use a lifetime of at least ${MIN_LIFETIME_SECONDS} seconds, for example 30s, 15m or 24h`);
	return seconds;
}

function parseId(label: Label, value: string): number {
	const id = /^[0-9]{1,10}$/.test(value) ? Number(value) : Infinity;
	if (id > MAX_ID) throw illegal(label, value, 'use a number');
	return id;
}

function parseMode(value: string): number {
	if (!/^0?[0-7]{3}$/.test(value)) throw illegal('birthmark.mode', value, 'use three octal digits, for example 0750');
	const mode = Number.parseInt(value, 8);
	if ((mode & 0o700) !== 0o700) throw illegal('birthmark.mode', value, 'the owner needs all three permissions');
	// The agent writes keys there; whoever else may write could put links in its way.
	if ((mode & 0o022) !== 0) throw illegal('birthmark.mode', value, 'only the owner may write');
	return mode;
}

function parseSize(value: string | undefined): number {
	if (value === undefined) return DEFAULT_SIZE_BYTES;
	const match = /^([0-9]{1,9})([km]?)$/.exec(value);
	const bytes = match ? Number(match[1]) * BYTES[match[2]!]! : 0;
	const [least, most] = SIZE_LIMITS;
	if (bytes < least || bytes > most) throw illegal('birthmark.size', value, `use a size from ${least / 1024}k to ${most / 1024 / 1024}m, for example 4m`);
	return bytes;
}

function parseInodes(value: string | undefined): number {
	if (value === undefined) return DEFAULT_INODES;
	const inodes = /^[0-9]{1,6}$/.test(value) ? Number(value) : 0;
	const [least, most] = INODE_LIMITS;
	if (inodes < least || inodes > most) throw illegal('birthmark.inodes', value, `use a number from ${least} to ${most}`);
	return inodes;
}

function parseCaWay(value: string, agentMode: string | undefined): 'relay' | 'network' {
	if (value !== 'relay' && value !== 'network') throw illegal('birthmark.ca', value, 'use relay or network');
	if (value === 'network' && agentMode === 'node') throw illegal('birthmark.ca', value, 'with birthmark.agent=node it is the node that reaches the CA');
	return value;
}

function parseAgentMode(value: string): AgentMode {
	const mode = AGENT_MODES.find((known) => known === value);
	if (mode === undefined) throw illegal('birthmark.agent', value, `use ${AGENT_MODES.join(', ')}`);
	return mode;
}

function unknown(name: string): BirthmarkError {
	const suggestion = nearest(name.toLowerCase(), LABELS);
	return new BirthmarkError('label-unknown', `there is no label ${quote(name)}; ${suggestion ? `did you mean ${suggestion}?` : `the labels are ${LABELS.join(', ')}`}`);
}

function illegal(label: Label, value: string, why: string): BirthmarkError {
	return new BirthmarkError('label-illegal', `the label ${label}=${quote(value)} is not accepted: ${why}`);
}
