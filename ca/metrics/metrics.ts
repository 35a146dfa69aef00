/**
 * Metrics in the format of Prometheus. What happens is counted as it happens; what is so is looked up
 * when somebody asks. Labels hold only words from lists in the source: nobody can make them many.
 */

import { X509Certificate } from 'node:crypto';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { errorCode } from '#common/protocol/errors.ts';
import { RELOAD_OUTCOMES, type ReloadOutcome } from '#common/protocol/messages.ts';
import { VERSION } from '#common/protocol/version.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Blackhole } from '../defence/blackhole.ts';
import { SOURCE_KINDS } from '../defence/source.ts';
import { positionOf, type RotationStage } from '../issuance/rotation.ts';
import type { RevocationLists } from '../revocation/lists.ts';
import type { AuditStore, ReloadStore, StatisticsStore, TrustStore } from '../store/store.ts';
import { createThrottle } from './throttle.ts';

/** From the fastest answer of a list to a client that is slow to send its body. */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** How much life an identity has left: five minutes, an hour, six hours, a day, a week, 30 days. */
export const HORIZON_SECONDS = [300, 3600, 21_600, 86_400, 604_800, 2_592_000] as const;

const STAGES: readonly RotationStage[] = ['idle', 'prepared', 'retiring'];

/** What the metrics see of a request. */
export interface Observed {
	readonly method: string;
	/** the route's pattern */
	readonly route: string;
	readonly status: number;
	readonly durationMs: number;
	/** whether the route answers with a certificate */
	readonly isSigning: boolean;
	readonly failure?: unknown;
}

export interface Metrics {
	readonly contentType: string;
	observe(answered: Observed): void;
	/** A workload has told what became of its certificate. */
	countReload(outcome: ReloadOutcome): void;
	/** The text of an answer to a scraper; what cannot be looked up is missing in it. */
	text(): Promise<string>;
}

export interface MetricsDeps {
	readonly store: StatisticsStore & Pick<AuditStore, 'auditHead' | 'countPendingEvents'> & Pick<ReloadStore, 'countReloads'> & Pick<TrustStore, 'readTrust'>;
	readonly lists: Pick<RevocationLists, 'current'>;
	readonly blackhole: Pick<Blackhole, 'shutOut' | 'timesShutOut'>;
	readonly clock: { now(): Date };
	readonly logger: Pick<Logger, 'warn'>;
}

export function createMetrics({ store, lists, blackhole, clock, logger }: MetricsDeps): Metrics {
	const registry = new Registry();
	const registers = [registry];
	const durations = new Histogram({
		name: 'birthmark_request_duration_seconds', help: 'Time from the head of a request to its answer', labelNames: ['method', 'route', 'outcome'], buckets: LATENCY_BUCKETS, registers,
	});
	const authorizations = new Counter({ name: 'birthmark_authorizations_total', help: 'Authorizations asked for by nodes', labelNames: ['outcome', 'reason'], registers });
	const signings = new Counter({ name: 'birthmark_signings_total', help: 'Certificates asked for', labelNames: ['method', 'route', 'outcome', 'reason'], registers });
	const reloads = new Counter({ name: 'birthmark_reloads_total', help: 'What workloads have told of their certificates', labelNames: ['outcome'], registers });
	new Gauge({ name: 'birthmark_build_info', help: 'Always 1', labelNames: ['version'], registers }).set({ version: VERSION }, 1);

	const lookUp = createThrottle();
	const lookUpTrust = createThrottle();
	const lookUpReloads = createThrottle();
	const statistics = () => lookUp(async () => store.countIdentities(clock.now(), HORIZON_SECONDS));
	const gauge = <Label extends string>(name: string, help: string, labelNames: Label[], collect: (gauge: Gauge<Label>) => Promise<void> | void): void => {
		new Gauge({
			name, help, labelNames, registers,
			async collect() {
				this.reset();
				try {
					await collect(this as unknown as Gauge<Label>);
				} catch (error) {
					logger.warn('a metric cannot be looked up', { reason: name, error });
				}
			},
		});
	};
	gauge('birthmark_identities_live', 'Identities whose newest certificate is valid', ['role'], async (live) => {
		for (const { role, live: count } of await statistics()) live.set({ role } as never, count);
	});
	gauge('birthmark_identities_expiring', 'Live identities that end within so many seconds unless they renew', ['role', 'within_seconds'], async (expiring) => {
		for (const { role, ending } of await statistics()) {
			for (const [index, seconds] of HORIZON_SECONDS.entries()) expiring.set({ role, within_seconds: String(seconds) } as never, ending[index]!);
		}
	});
	gauge('birthmark_identities_reload', 'Live identities by what became of their certificate with the application that is to serve it', ['outcome'], async (reloads) => {
		const counts = await lookUpReloads(() => store.countReloads(clock.now()));
		for (const outcome of RELOAD_OUTCOMES) reloads.set({ outcome }, counts.get(outcome) ?? 0);
	});
	gauge('birthmark_store_waiting', 'Calls that wait for the database', [], (waiting) => waiting.set(store.waiting()));
	gauge('birthmark_audit_pending', 'Audit events that are not part of the chain yet', [], async (pending) => pending.set(await store.countPendingEvents()));
	gauge('birthmark_audit_sequence', 'Records in the chain of the audit log', [], async (sequence) => sequence.set((await store.auditHead()).sequence));
	gauge('birthmark_crl_age_seconds', 'Since the newest revocation list was made', [], (age) => age.set((clock.now().getTime() - lists.current().thisUpdate.getTime()) / 1000));
	gauge('birthmark_crl_expires_seconds', 'Until the newest revocation list ends', [], (left) => left.set((lists.current().nextUpdate.getTime() - clock.now().getTime()) / 1000));
	gauge('birthmark_crl_number', 'Number of the newest revocation list', [], (number) => number.set(lists.current().number));
	gauge('birthmark_rotation_stage', '1 for the stage at which the rotation of root or intermediate is', ['stage'], async (rotation) => {
		const { stage } = positionOf(await lookUpTrust(() => store.readTrust()));
		for (const each of STAGES) rotation.set({ stage: each }, each === stage ? 1 : 0);
	});
	gauge('birthmark_authority_generation', 'Which of its authorities the CA signs with', [], async (generation) => {
		generation.set(positionOf(await lookUpTrust(() => store.readTrust())).active.generation);
	});
	gauge('birthmark_authority_expires_seconds', 'Until the certificates that the CA signs with end', ['certificate'], async (left) => {
		const { active } = positionOf(await lookUpTrust(() => store.readTrust()));
		for (const certificate of ['root', 'intermediate'] as const) {
			left.set({ certificate }, (new X509Certificate(active[certificate]).validToDate.getTime() - clock.now().getTime()) / 1000);
		}
	});
	gauge('birthmark_sources_shut_out', 'Sources of bad requests that are not heard at present', ['kind'], (out) => {
		for (const kind of SOURCE_KINDS) out.set({ kind }, blackhole.shutOut(kind));
	});
	new Counter({
		name: 'birthmark_shut_outs_total', help: 'How often a source was shut out', labelNames: ['kind'], registers,
		collect() {
			this.reset();
			for (const kind of SOURCE_KINDS) this.inc({ kind }, blackhole.timesShutOut(kind));
		},
	});

	return {
		contentType: registry.contentType,
		observe({ method: given, route, status, durationMs, isSigning, failure }) {
			// Where there is no route the method is whatever somebody sent.
			const method = route === '(none)' ? '' : given;
			const outcome = status >= 500 ? 'failed' : status >= 400 ? 'refused' : 'done';
			const reason = failure === undefined ? '' : errorCode(failure);
			durations.observe({ method, route, outcome }, durationMs / 1000);
			if (method === 'POST' && route === '/v1/authorize') authorizations.inc({ outcome, reason });
			if (isSigning) signings.inc({ method, route, outcome, reason });
		},
		countReload: (outcome) => reloads.inc({ outcome }),
		text: () => registry.metrics(),
	};
}
