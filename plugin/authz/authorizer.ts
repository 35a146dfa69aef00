/**
 * docker.authz/1.0: may this call to the engine's API go through? Most calls cannot concern an
 * identity; those are let through by method and path alone, without a look at their bodies.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { Logger } from '#common/runtime/log.ts';
import { refusalText } from '../refusal.ts';
import { namesUs } from '../self.ts';
import { parseBody, parseCreateBody, parseMounts } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { asString, stringMap, structFields } from './go-struct.ts';
import { bindIdentity, checkIdentityCreate, type IdentityCreateDeps } from './identity-create.ts';
import { checkIsolation, checkMounts, checkVolumeOptions, type IsolationDeps } from './isolation.ts';
import type { OwnCalls } from './own-calls.ts';

export interface Verdict {
	readonly Allow: boolean;
	readonly Msg?: string;
}

export interface AuthorizerDeps extends Omit<IdentityCreateDeps, 'records' | 'logger'>, Omit<IsolationDeps, 'records'> {
	readonly records: IdentityCreateDeps['records'] & IsolationDeps['records'];
	readonly ownCalls: Pick<OwnCalls, 'isOwn' | 'proofOf'>;
	/** a call of our own came by, with this nonce */
	readonly onProof: (nonce: string) => void;
	/** containers may have gone */
	readonly onContainersRemoved: () => void;
	readonly logger: Pick<Logger, 'info' | 'error'>;
}

interface Rule {
	readonly method: RegExp;
	readonly path: RegExp;
	/** @param subject first group of `path` @throws BirthmarkError to refuse */
	check(deps: AuthorizerDeps, call: EngineCall, subject: string): Promise<void> | void;
}

/** Every call that may concern an identity; anything else passes. Methods and paths as the engine routes them. */
const RULES: readonly Rule[] = [
	{ method: /^POST$/, path: /^\/containers\/create$/, check: checkCreate },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/start$/, check: checkStart },
	{ method: /^(?:GET|HEAD|PUT)$/, path: /^\/containers\/(.+)\/archive$/, check: (deps, _, subject) => refuseLabelled(deps, subject, 'its files cannot be copied while it has an identity') },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/copy$/, check: checkOldCopy },
	{ method: /^GET$/, path: /^\/containers\/(.+)\/export$/, check: (deps, _, subject) => refuseLabelled(deps, subject, 'it cannot be exported; build an image from a container without birthmark labels') },
	{ method: /^POST$/, path: /^\/containers\/(.+)\/checkpoints$/, check: (deps, _, subject) => refuseLabelled(deps, subject, 'a checkpoint would write its key to the disk') },
	{ method: /^POST$/, path: /^\/commit$/, check: checkCommit },
	{ method: /^POST$/, path: /^\/volumes\/create$/, check: checkVolumeCreate },
	{ method: /^POST$/, path: /^\/services\/(?:create|[^/]+\/update)$/, check: checkService },
];

const ALLOW: Verdict = { Allow: true };
const CREATED = 201;
const REMOVALS = /^(?:DELETE \/containers\/[^/]+|POST \/containers\/prune)$/;
const FIRST_SAFE_VERSION = [1, 24] as const;

/** AuthZReq: before the engine acts. Never throws for a call that it understood. */
export async function authorizeRequest(deps: AuthorizerDeps, call: EngineCall): Promise<Verdict> {
	const rule = RULES.find(({ method, path }) => method.test(call.method) && path.test(call.path));
	const own = deps.ownCalls.isOwn(call.headers);
	if (own) {
		const nonce = deps.ownCalls.proofOf(call.headers);
		if (nonce !== undefined) deps.onProof(nonce);
	}
	if (!rule || own) return ALLOW;
	try {
		await rule.check(deps, call, rule.path.exec(call.path)?.[1] ?? '');
		return ALLOW;
	} catch (error) {
		return refuse(deps, call, rule, error);
	}
}

/** AuthZRes: after the engine acted. Refusing here hides the answer, it undoes nothing. */
export async function authorizeResponse(deps: AuthorizerDeps, call: EngineCall): Promise<Verdict> {
	const status = call.response?.status ?? 0;
	if (status >= 200 && status < 300 && REMOVALS.test(`${call.method} ${call.path}`)) deps.onContainersRemoved();
	if (status !== CREATED || call.method !== 'POST' || call.path !== '/containers/create') return ALLOW;
	const containerId = createdId(call.response!.body);
	try {
		await bindIdentity(deps, parseCreateBody(call.body), containerId);
		return ALLOW;
	} catch (error) {
		const why = error instanceof BirthmarkError ? error.message : 'something unexpected went wrong in the plugin';
		const sentence = `the container ${containerId.slice(0, 12)} was created but has no identity and will not start (${why}); remove it with docker rm ${containerId.slice(0, 12)} and try again`;
		return refuse(deps, call, RULES[0]!, new BirthmarkError(error instanceof BirthmarkError ? error.code : 'internal', sentence, { cause: error }));
	}
}

function refuse(deps: AuthorizerDeps, call: EngineCall, rule: Rule, error: unknown): Verdict {
	const Msg = refusalText(error);
	const fields = { method: call.method, route: rule.path.source, reason: Msg };
	if (error instanceof BirthmarkError && error.code !== 'internal') deps.logger.info('refused', { ...fields, code: error.code });
	else deps.logger.error('refused', { ...fields, error });
	return { Allow: false, Msg };
}

async function checkCreate(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	refuseOldVersion(call, 'create containers');
	const body = parseCreateBody(call.body);
	await checkIsolation(deps, body);
	await checkIdentityCreate(deps, body, call.query.get('name') ?? '');
}

/** Before API 1.24 a start could carry a HostConfig that replaces the one judged at create (21). */
function checkStart(_: AuthorizerDeps, call: EngineCall): void {
	refuseOldVersion(call, 'start containers');
	const body = call.body?.toString('utf8').trim() ?? '';
	if (body !== '' && body !== '{}' && body !== 'null') {
		throw new BirthmarkError('engine-request-ambiguous', 'a start with a body could change what was judged when the container was created; start it without one');
	}
}

function checkOldCopy(_: AuthorizerDeps, call: EngineCall): void {
	refuseOldVersion(call, 'copy files');
}

async function checkCommit(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	// A form in the body would name another container than the address does, and the engine shows no forms (13).
	if (!call.body && 'Content-Type' in call.headers) throw new BirthmarkError('engine-request-unseen', 'the engine did not show the body of this commit; send JSON or nothing');
	await refuseLabelled(deps, call.query.get('container') ?? '', 'a commit would give its labels to an image; build an image instead');
}

/** `POST /volumes/create`: nothing of ours by hand (28), no back door through the local driver (26). */
async function checkVolumeCreate(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	const fields = structFields(parseBody(call.body, 'create a volume'), 'the request');
	const driver = asString(fields.get('driver'), 'Driver');
	if (namesUs(await deps.self(), driver)) {
		throw new BirthmarkError('mount-illegal', 'a birthmark volume is made together with its container; use docker run --mount type=volume,volume-driver=birthmark,dst=/run/birthmark');
	}
	await checkVolumeOptions(deps, stringMap(fields.get('driveropts'), 'DriverOpts'));
}

/** Tasks of a service are created inside the engine, without a call that could be judged: this is the only one. */
async function checkService(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	const service = structFields(parseBody(call.body, 'change a service'), 'the request');
	const task = structFields(service.get('tasktemplate'), 'TaskTemplate');
	const container = structFields(task.get('containerspec'), 'ContainerSpec');
	const mounts = parseMounts(container.get('mounts'), 'ContainerSpec.Mounts');
	await checkMounts(deps, mounts);
	const self = await deps.self();
	if (mounts.some((mount) => namesUs(self, mount.driver))) throw new BirthmarkError('mount-illegal', 'tasks of a service cannot have identities; run it as a container');
}

async function refuseLabelled(deps: AuthorizerDeps, reference: string, why: string): Promise<void> {
	if (await deps.findLabelled(reference)) throw new BirthmarkError('identity-isolated', `the container ${quote(reference)} has an identity: ${why}`);
}

function refuseOldVersion({ apiVersion }: EngineCall, what: string): void {
	if (!apiVersion) return;
	const [major, minor] = apiVersion;
	if (major > FIRST_SAFE_VERSION[0] || (major === FIRST_SAFE_VERSION[0] && minor >= FIRST_SAFE_VERSION[1])) return;
	throw new BirthmarkError('identity-isolated', `API version ${major}.${minor} is too old to ${what} safely; use ${FIRST_SAFE_VERSION.join('.')} or newer`);
}

function createdId(body: Buffer): string {
	const id = /"Id":"([0-9a-f]{64})"/.exec(body.toString('utf8'))?.[1];
	if (!id) throw new BirthmarkError('request-malformed', 'the engine created a container without saying which');
	return id;
}
