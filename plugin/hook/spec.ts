/**
 * The configuration of a container (OCI runtime specification, config.md) with an identity in it: the
 * directory is mounted, the agent stands in front of what is run, and the end is told. Everything
 * else stays byte for byte as the engine wrote it.
 */

import { posix } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { IDENTITY_DIRECTORY, VolumeFile } from '#common/protocol/volume-files.ts';
import { elementsOf, membersOf, replaceAt, valueAt, type Place } from '#common/runtime/json-places.ts';
import { isWithin } from '../authz/host-paths.ts';

export interface SpecChange {
	/** where the identity's tmpfs is on the host; undefined for a container that mounts its volume itself */
	readonly source?: string;
	/** puts the agent in front of what is run */
	readonly runsAgent: boolean;
	/** tells the end of the start */
	readonly poststop?: { readonly path: string; readonly args: readonly string[] };
}

const AGENT = posix.join(IDENTITY_DIRECTORY, VolumeFile.agentDirectory, 'birthmark-agent');
/** Whoever runs one of these has it in front already; the second is that of an image which brings its own (agent/Dockerfile). */
const AGENTS: readonly string[] = [AGENT, '/opt/birthmark/bin/birthmark-agent'];
/** Of the engine's own, for `--init`. */
const ENGINES_INIT = ['/sbin/docker-init', '--'];
/** As the engine binds volumes: with the flags of what is bound, the agent below it included. */
const BIND_OPTIONS = ['rbind', 'rprivate'];
const POSTSTOP_SECONDS = 5;
/** What the loader reads (ld.so(8)): a library to be loaded first need not do with the agent's own C library. */
const FOR_LOADER = 'LD_';
/** The agent takes it away again for the application (agent/start/start.c). */
const KEPT_FROM_AGENT = 'BIRTHMARK_';

/**
 * @param text config.json of the bundle
 * @throws BirthmarkError `request-malformed`, `mount-illegal`
 */
export function changeSpec(text: string, { source, runsAgent, poststop }: SpecChange): string {
	const spec = parse(text);
	const top = uniqueMembers(text, valueAt(text));
	const changes: (Place & { readonly with: string })[] = [];
	const insert = (at: number, what: string): void => void changes.push({ start: at, end: at, with: what });

	if (runsAgent) {
		const place = top.get('process');
		const process = isObject(spec.process) ? spec.process : {};
		const members = place && isObject(spec.process) ? uniqueMembers(text, place) : undefined;
		const list = members?.get('args');
		const { args } = process;
		if (!list || !isCommand(args)) throw unknownForm('does not say what is to be run');
		// What the engine puts in front for `--init` stays first, and reaps.
		const first = ENGINES_INIT.every((arg, index) => args[index] === arg) ? ENGINES_INIT.length : 0;
		if (!AGENTS.includes(args[first] ?? '')) {
			insert(elementsOf(text, list)[first]!.start, [AGENT, 'exec', '--'].map((arg) => `${JSON.stringify(arg)},`).join(''));
			const variables = listOf(process['env'], 'variables');
			const places = variables.length > 0 ? elementsOf(text, members!.get('env')!) : [];
			for (const [index, variable] of variables.entries()) {
				if (typeof variable === 'string' && variable.startsWith(FOR_LOADER)) insert(places[index]!.start + 1, KEPT_FROM_AGENT);
			}
		}
	}
	if (source !== undefined) {
		const mounts = listOf(spec.mounts, 'mounts');
		const taken = mounts.find((mount) => !isObject(mount) || typeof mount['destination'] !== 'string' || isWithin(posix.resolve('/', mount['destination']), IDENTITY_DIRECTORY));
		if (taken !== undefined) {
			const place = isObject(taken) ? String(taken['destination']) : '';
			throw new BirthmarkError('mount-illegal', `something is mounted at ${quote(place)} already, where the identity is; choose another place for it`);
		}
		// The last one, so that nothing lies on top of it.
		append(top, 'mounts', { destination: IDENTITY_DIRECTORY, type: 'bind', source, options: BIND_OPTIONS });
	}
	if (poststop) {
		const hook = { ...poststop, timeout: POSTSTOP_SECONDS };
		const hooks = top.get('hooks');
		if (spec.hooks === undefined || spec.hooks === null) member(top, 'hooks', { poststop: [hook] }, 0);
		else if (!hooks || !isObject(spec.hooks)) throw unknownForm('has hooks that are no object');
		else {
			listOf(spec.hooks['poststop'], 'poststop');
			append(uniqueMembers(text, hooks), 'poststop', hook, hooks.start);
		}
	}
	return checked(replaceAt(text, changes));

	/** At the end of a list, which need not be there. */
	function append(members: ReadonlyMap<string, Place>, key: string, item: object, objectStart = valueAt(text).start): void {
		const list = members.get(key);
		if (!list || text[list.start] !== '[') return member(members, key, [item], objectStart);
		const isEmpty = /^\[\s*\]$/.test(text.slice(list.start, list.end));
		insert(list.end - 1, `${isEmpty ? '' : ','}${JSON.stringify(item)}`);
	}

	/** In the place of null, or as the first one. */
	function member(members: ReadonlyMap<string, Place>, key: string, value: object, objectStart: number): void {
		const place = members.get(key);
		if (place) changes.push({ ...place, with: JSON.stringify(value) });
		else insert(objectStart + 1, `${JSON.stringify(key)}:${JSON.stringify(value)}${members.size > 0 ? ',' : ''}`);
	}
}

function isCommand(args: unknown): args is readonly string[] {
	return Array.isArray(args) && args.length > 0 && args.every((arg) => typeof arg === 'string');
}

/** @throws BirthmarkError `request-malformed` for a key that is there twice, as Go compares keys: in any case */
function uniqueMembers(text: string, object: Place): ReadonlyMap<string, Place> {
	const members = membersOf(text, object);
	const folded = members.map(({ key }) => key.toLowerCase());
	const twice = members.find((_, at) => folded.indexOf(folded[at]!) !== at);
	if (twice) throw new BirthmarkError('request-malformed', `the configuration of the container has the key "${twice.key}" twice`);
	return new Map(members.map(({ key, value }) => [key, value]));
}

/** What the runtime will read, in which no key may be there twice. */
function checked(text: string): string {
	parse(text);
	uniqueMembers(text, valueAt(text));
	return text;
}

function parse(text: string): { readonly process?: unknown; readonly mounts?: unknown; readonly hooks?: unknown } {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (cause) {
		throw new BirthmarkError('request-malformed', 'the configuration of the container is no JSON', { cause });
	}
	if (!isObject(value)) throw unknownForm('is no object');
	return value;
}

function listOf(value: unknown, what: string): readonly unknown[] {
	if (value === undefined || value === null) return [];
	if (!Array.isArray(value)) throw unknownForm(`has ${what} that are no list`);
	return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownForm(why: string): BirthmarkError {
	return new BirthmarkError('request-malformed', `the configuration of the container ${why}; use a version of birthmark that knows this engine`);
}
