/**
 * After each publication the application is told, and then looked at: does it serve the new certificate?
 * If not it is told again, with growing pauses, for as long as there is no newer one. What came of it goes into
 * the log and to the CA. The same is done, now and then at most, when another revocation list is there. Nothing
 * else depends on it: neither renewal nor the application's life.
 */

import type { AgentSettings } from '#common/protocol/agent-file.ts';
import { BirthmarkError, errorCode, type ErrorCode } from '#common/protocol/errors.ts';
import type { ReloadOutcome, ReloadReport } from '#common/protocol/messages.ts';
import { parseReload, parseReloadOccasion, parseServedAddress, type Reload, type ServedAddress } from '#common/protocol/reload.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { CaClient } from './ca-client.ts';
import type { Identity } from './identity.ts';
import type { Finding } from './probe.ts';
import type { Publications } from './publications.ts';
import type { ApplicationList } from './revocation-list.ts';
import { untilAborted, type Sleep } from './sleep.ts';

/** What the labels want; at least one of the two. */
export interface Reloading {
	readonly reload?: Reload;
	readonly served?: ServedAddress;
	/** revocation lists are nothing to this application */
	readonly ignoresLists?: true;
}

export interface ReloadDeps {
	readonly ca: Pick<CaClient, 'report'>;
	/** @returns why it was not told, half a sentence; undefined when it was */
	readonly tell: (reload: Reload, signal: AbortSignal) => Promise<string | undefined>;
	readonly probe: (served: ServedAddress, identity: Identity, signal: AbortSignal) => Promise<Finding>;
	readonly publications: Pick<Publications, 'current'>;
	/** of an application that is told of revocations */
	readonly list?: Pick<ApplicationList, 'due' | 'reading'>;
	/** 0 ≤ x < 1 */
	readonly random: () => number;
	readonly sleep: Sleep;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** How long an application that was told may take, with looks in between; a minute for one that finds out by itself. */
const LOOKS_MS = { told: [100, 200, 400, 800, 1500, 2000], untold: [100, 400, 1500, 3000, 5000, 10_000, 20_000, 20_000] } as const;
/** How long nobody worries that a new container's application does not listen: ten minutes. */
const BIRTH_LOOKS_MS = [250, 500, 1000, 2000, 4000, 8000, ...Array.from({ length: 29 }, () => 20_000)];
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 600_000;
/** Failures to report that may pass; any other is the CA's last word. */
const PASSING: readonly ErrorCode[] = ['ca-unavailable', 'ca-protocol', 'source-shut-out'];

/** @returns undefined when the labels want neither. @throws BirthmarkError `config-invalid` */
export function reloadingFrom({ reload, reloadOn, port }: AgentSettings): Reloading | undefined {
	if (reload === undefined && port === undefined) return undefined;
	const refuse = (why: string) => new BirthmarkError('config-invalid', `what the plugin says of the reload is not understood (${why}): agent and plugin do not fit together`);
	return {
		...(reload !== undefined && { reload: parseReload(reload, refuse) }),
		...(reloadOn !== undefined && parseReloadOccasion(reloadOn, refuse) === 'certificate' && { ignoresLists: true }),
		...(port !== undefined && { served: parseServedAddress(port, refuse) }),
	};
}

/** Why an application is told, or only looked at: it begins with what is there. */
type Occasion = 'birth' | 'publication' | 'list';

/**
 * Begins with the identity that is there, with which the application is started. Returns when the signal is aborted.
 *
 * @throws Error that is none of the expected ones
 */
export async function keepReloaded(reloading: Reloading, signal: AbortSignal, deps: ReloadDeps): Promise<void> {
	const { list } = deps;
	// A newer certificate does not cut off half-way what is done about this one.
	const tell: ReloadDeps['tell'] = (reload) => (list?.reading(), deps.tell(reload, signal));
	const ca = rememberingCa(deps.ca);
	for (let occasion: Occasion = 'birth'; !signal.aborted; ) {
		const { identity, superseded } = deps.publications.current();
		const until = AbortSignal.any([signal, superseded]);
		try {
			const report = identity && (await settle(identity, occasion, reloading, until, { ...deps, tell, ca }));
			await whileReporting(report, until, () => (list ? list.due(until) : untilAborted(until)));
			occasion = until.aborted ? 'publication' : 'list';
		} catch (error) {
			if (!until.aborted) throw error;
			occasion = 'publication';
		}
	}
}

type SettleDeps = Omit<ReloadDeps, 'ca'> & { readonly ca: RememberingCa };
type Report = (signal: AbortSignal) => Promise<void>;

/** A CA that is away keeps nobody from being told of the next list. */
async function whileReporting(report: Report | undefined, signal: AbortSignal, wait: () => Promise<void>): Promise<void> {
	const ended = new AbortController();
	const reported = report?.(AbortSignal.any([signal, ended.signal])).then(() => new Promise<never>(() => undefined));
	await Promise.race([wait(), ...(reported ? [reported] : [])]).finally(() => ended.abort());
}

/**
 * Resolves when the application serves this identity, as far as anybody can tell.
 *
 * @returns what is to be told to the CA, if it does not know
 */
async function settle(identity: Identity, occasion: Occasion, reloading: Reloading, signal: AbortSignal, deps: SettleDeps): Promise<Report | undefined> {
	const isBirth = occasion === 'birth';
	// It has read its first certificate by itself.
	if (isBirth && !reloading.served) return undefined;
	const { serial } = identity.leaf;
	const { reload: _, ...untold } = reloading;
	let finding = isBirth ? await lookWhile(({ outcome }) => outcome === 'not-listening', BIRTH_LOOKS_MS, identity, reloading.served!, signal, deps) : undefined;
	for (let attempts = 1, pause = FIRST_PAUSE_MS; ; attempts++, pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
		// Nobody is told before he has begun.
		const isTold = !isBirth || (attempts > 1 && finding?.outcome !== 'not-listening');
		if (finding?.outcome !== 'verified') finding = await bring(identity, occasion, isTold ? reloading : untold, signal, deps);
		const { outcome, sentence, servedSerial } = finding;
		const isGood = isGoodOutcome(outcome);
		const wait = jitter(pause, deps);
		const what = occasion === 'list' ? 'was told of another revocation list' : 'has the certificate';
		const fault = occasion === 'list' && outcome === 'reload-failed' ? 'was not told of another revocation list' : 'does not serve the certificate';
		if (isGood) deps.logger.info(`the application ${what}`, { serial, reason: outcome, count: attempts });
		else deps.logger.warn(`the application ${fault}: ${sentence}`, { serial, reason: outcome, count: attempts, seconds: Math.round(wait / 1000) });
		// All containers of a fleet are told of a revocation at once, and the CA knows nothing else of them.
		const isNews = occasion !== 'list' || !isGood || deps.ca.isWaiting();
		const said = { outcome, attempts, ...(servedSerial !== undefined && { servedSerial }) };
		if (isGood) return isNews ? (until) => report(identity, said, true, until, deps) : undefined;
		await report(identity, said, false, signal, deps);
		await pauseBeforeNext(wait, isBirth && finding.outcome === 'not-listening', signal, deps);
	}
}

/** A list that changes meanwhile ends the pause: the application is told in any case. */
async function pauseBeforeNext(milliseconds: number, isUnborn: boolean, signal: AbortSignal, { sleep, list }: SettleDeps): Promise<void> {
	if (!list || isUnborn) return sleep(milliseconds, signal);
	const ended = new AbortController();
	const until = AbortSignal.any([signal, ended.signal]);
	await Promise.race([sleep(milliseconds, until), list.due(until)]).finally(() => ended.abort());
}

/** Tells the application, and looks for a while. */
async function bring(identity: Identity, occasion: Occasion, { reload, served }: Reloading, signal: AbortSignal, deps: SettleDeps): Promise<Finding> {
	const refusal = reload && (await deps.tell(reload, signal));
	signal.throwIfAborted();
	if (!served) return refusal === undefined ? { outcome: 'unchecked', sentence: 'nobody looks' } : { outcome: 'reload-failed', sentence: refusal };
	const finding = await lookWhile(({ outcome }) => outcome !== 'verified', refusal !== undefined ? [] : reload ? LOOKS_MS.told : LOOKS_MS.untold, identity, served, signal, deps);
	// That it serves its certificate is no sign that it has read a list.
	const isInVain = refusal !== undefined && (finding.outcome !== 'verified' || occasion === 'list');
	return isInVain ? { ...finding, outcome: 'reload-failed', sentence: refusal } : finding;
}

/** Looks, and again after each pause for as long as there is this to see. */
async function lookWhile(isSeen: (finding: Finding) => boolean, pauses: readonly number[], identity: Identity, served: ServedAddress, signal: AbortSignal, deps: SettleDeps): Promise<Finding> {
	let finding = await deps.probe(served, identity, signal);
	for (const pause of pauses) {
		if (!isSeen(finding)) break;
		await deps.sleep(pause, signal);
		finding = await deps.probe(served, identity, signal);
	}
	return finding;
}

/** @param isLast nothing else will be said of this certificate, so that it is worth to wait for the CA */
async function report(identity: Identity, said: ReloadReport, isLast: boolean, signal: AbortSignal, deps: SettleDeps): Promise<void> {
	for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
		try {
			return await deps.ca.report(identity, said, signal);
		} catch (error) {
			if (signal.aborted) throw error;
			deps.logger.info('the CA was not told what the application serves', { error });
			if (!isLast || !PASSING.includes(errorCode(error))) return;
			await deps.sleep(jitter(pause, deps), signal);
		}
	}
}

function jitter(milliseconds: number, { random }: Pick<ReloadDeps, 'random'>): number {
	return milliseconds / 2 + (random() * milliseconds) / 2;
}

function isGoodOutcome(outcome: ReloadOutcome): boolean {
	return outcome === 'verified' || outcome === 'unchecked';
}

interface RememberingCa extends Pick<CaClient, 'report'> {
	/** it knows of a fault, or has not heard what was to be told last */
	isWaiting(): boolean;
}

function rememberingCa(ca: Pick<CaClient, 'report'>): RememberingCa {
	let isWaiting = false;
	return {
		async report(identity, said, signal) {
			isWaiting = true;
			await ca.report(identity, said, signal);
			isWaiting = !isGoodOutcome(said.outcome);
		},
		isWaiting: () => isWaiting,
	};
}
