/**
 * What `birthmark-runtime` is told about a container that is about to be made, and what becomes of the
 * end that it tells. A container without labels of ours is none of ours, whoever asked; one with
 * labels gets an identity or is refused.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import { hasIdentityLabels } from '../authz/labels.ts';
import type { Records } from '../records.ts';
import { refusalText } from '../refusal.ts';
import type { IdentityVolumes } from '../volume/identity-volumes.ts';
import type { KnownContainer } from '../volume/who-starts.ts';
import { changeSpec } from './spec.ts';
import type { Answer, BirthQuestion, EndQuestion } from './wire.ts';

export interface HookDeps {
	readonly records: Pick<Records, 'identityOfContainer'>;
	readonly volumes: Pick<IdentityVolumes, 'startByRuntime' | 'endByRuntime' | 'endStart'>;
	/** where an identity's tmpfs is for whoever makes containers; throws when it does not reach them */
	readonly placeForContainers: (volume: string) => Promise<string>;
	readonly logger: Pick<Logger, 'info' | 'error'>;
}

/** The answer, and what to do when nobody is there any more to hear it. */
export interface Prepared {
	readonly answer: Answer;
	readonly abandon?: () => Promise<void>;
}

const UNCHANGED: Prepared = { answer: { verdict: 'unchanged' } };

/** Never throws: what goes wrong is a refusal. */
export async function answerBirth(deps: HookDeps, question: BirthQuestion): Promise<Prepared> {
	const { containerId } = question;
	try {
		return await prepare(deps, question);
	} catch (error) {
		const reason = refusalText(error);
		if (error instanceof BirthmarkError) deps.logger.info('refused', { containerId, code: error.code, reason });
		else deps.logger.error('refused', { containerId, error });
		return { answer: { verdict: 'refused', sentence: reason } };
	}
}

/** The start is over: in the records when this resolves, on the host and at the CA later. */
export async function endByRuntime({ volumes }: Pick<HookDeps, 'volumes'>, { containerId, startId }: EndQuestion): Promise<void> {
	await volumes.endByRuntime(containerId, startId);
}

async function prepare({ records, volumes, placeForContainers }: HookDeps, { verb, containerId, executable, state, config }: BirthQuestion): Promise<Prepared> {
	const identity = records.identityOfContainer(containerId);
	const container = readState(state, containerId);
	if (!identity && !hasIdentityLabels(container.labels)) return UNCHANGED;
	// The engine has mounted its volume by now.
	if (identity?.delivery === 'volume') {
		return identity.agentMode === 'exec' ? { answer: { verdict: 'config', config: changeSpec(decode(config), { runsAgent: true }) } } : UNCHANGED;
	}
	if (verb !== 'create') throw new BirthmarkError('identity-isolated', 'a container that gets its identity when it starts cannot be restored from a checkpoint; start it without one');
	const text = decode(config);
	const started = await volumes.startByRuntime(container);
	const { startId, agentMode } = started;
	const abandon = (): Promise<void> => volumes.endStart(containerId, startId);
	try {
		const source = await placeForContainers(containerId);
		const poststop = { path: executable, args: ['birthmark-runtime', '--ended', containerId, startId] };
		return { answer: { verdict: 'config', config: changeSpec(text, { source, runsAgent: agentMode === 'exec', poststop }) }, abandon };
	} catch (error) {
		await abandon();
		throw error;
	}
}

/** @param state config.v2.json, which the engine writes (moby, container/container.go) */
function readState(state: Buffer, containerId: string): KnownContainer & { readonly labels: ReadonlyMap<string, string> } {
	let container: { readonly ID?: unknown; readonly Name?: string; readonly Image?: string; readonly Config?: { readonly Labels?: Readonly<Record<string, string>> | null } | null };
	try {
		container = JSON.parse(decode(state)) as typeof container;
	} catch (cause) {
		throw new BirthmarkError('request-malformed', 'what the engine has written of this container cannot be read', { cause });
	}
	const { ID, Name, Image = '', Config } = container;
	if (ID !== containerId) throw new BirthmarkError('request-malformed', 'the engine has written of another container where this one should be');
	// What state it was in before says nothing: it is being started.
	return { Id: containerId, Names: Name === undefined ? null : [Name], ImageID: Image, State: 'created', labels: new Map(Object.entries(Config?.Labels ?? {})) };
}

/** @throws BirthmarkError for what is not UTF-8: it could not be written as it was read */
function decode(bytes: Buffer): string {
	try {
		return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
	} catch (cause) {
		throw new BirthmarkError('request-malformed', 'the configuration of the container is not valid UTF-8', { cause });
	}
}
