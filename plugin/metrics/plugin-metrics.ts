/** What the plugin counts of itself; docs/operations.md tells what each means. */

import { errorCode, isErrorCode } from '#common/protocol/errors.ts';
import type { PluginStatus } from '#common/protocol/plugin-status.ts';
import type { Verdict } from '../authz/authorizer.ts';
import type { ProofCounts } from '../enforcement.ts';
import { createCounter, createHistogram, gaugeText } from './exposition.ts';

/** From a call that is judged by its address to one that waits for the CA. */
const JUDGING_BUCKETS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5];
/** From a tmpfs on an idle host to a start that waits for the CA as long as it may. */
const MOUNT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 100];

export interface PluginMetricsDeps {
	readonly status: () => PluginStatus;
	readonly proofs: () => ProofCounts;
	/** identities that containers hold now */
	readonly mounted: () => number;
	readonly now: () => Date;
	/** milliseconds, never set back */
	readonly monotonic: () => number;
}

export type PluginMetrics = ReturnType<typeof createPluginMetrics>;

export function createPluginMetrics({ status, proofs, mounted, now, monotonic }: PluginMetricsDeps) {
	const authorizations = createCounter('birthmark_plugin_authorizations_total', 'Calls to the engine that the plugin was asked about; passed ones concern nothing of ours');
	const judging = createHistogram('birthmark_plugin_judging_duration_seconds', 'Time that the plugin took for a call that was looked at', JUDGING_BUCKETS);
	const mounts = createCounter('birthmark_plugin_mounts_total', 'Mounts of identity volumes');
	const mounting = createHistogram('birthmark_plugin_mount_duration_seconds', 'Time that a mount took', MOUNT_BUCKETS);

	return {
		/** Counts what a filter lets pass. */
		passing(phase: 'request' | 'response', passes: (message: Buffer) => boolean): (message: Buffer) => boolean {
			const count = authorizations.series({ phase, outcome: 'passed', reason: '' });
			return (message) => {
				const passed = passes(message);
				if (passed) count();
				return passed;
			};
		},
		/** Counts and times what is judged. */
		judging: <Call>(phase: 'request' | 'response', judge: (call: Call) => Promise<Verdict>) => async (call: Call): Promise<Verdict> => {
			const begun = monotonic();
			const verdict = await judge(call);
			judging.observe((monotonic() - begun) / 1000);
			authorizations.add({ phase, outcome: verdict.Allow ? 'allowed' : 'refused', reason: reasonOf(verdict) });
			return verdict;
		},
		/** Counts and times the mounts. */
		mounting: <Request>(mount: (request: Request) => Promise<object>) => async (request: Request): Promise<object> => {
			const begun = monotonic();
			try {
				const answer = await mount(request);
				mounts.add({ outcome: 'done', reason: '' });
				return answer;
			} catch (error) {
				mounts.add({ outcome: 'refused', reason: errorCode(error) });
				throw error;
			} finally {
				mounting.observe((monotonic() - begun) / 1000);
			}
		},
		/** The answer to a scraper. */
		text(): string {
			const { version, inChain, joined, nodeCertificateExpires, ca, clockSkewSeconds, pendingRevocations, policy, tmpfs } = status();
			const { positive, negative, unanswered } = proofs();
			const expires = nodeCertificateExpires === null ? undefined : (Date.parse(nodeCertificateExpires) - now().getTime()) / 1000;
			return [
				authorizations.text(), judging.text(), mounts.text(), mounting.text(),
				gaugeText('birthmark_plugin_enforcement', '1 for what the last proof showed', [[{ state: 'proved' }, Number(inChain === true)], [{ state: 'missing' }, Number(inChain === false)], [{ state: 'unknown' }, Number(inChain === null)]]),
				gaugeText('birthmark_plugin_proofs_total', 'Proofs that the engine asks the plugin', [[{ result: 'positive' }, positive], [{ result: 'negative' }, negative], [{ result: 'unanswered' }, unanswered]], 'counter'),
				gaugeText('birthmark_plugin_identities_mounted', 'Identities that containers hold', [[{}, mounted()]]),
				gaugeText('birthmark_plugin_outbox_length', 'What the CA has still to be told', [[{}, pendingRevocations]]),
				gaugeText('birthmark_plugin_joined', '1 when the node has a certificate of the CA', [[{}, Number(joined)]]),
				gaugeText('birthmark_plugin_ca_reachable', '1 when the last call reached the CA', [[{}, Number(ca === 'reachable')]]),
				gaugeText('birthmark_plugin_node_certificate_expires_seconds', 'Until the certificate of the node ends', [[{}, expires]]),
				gaugeText('birthmark_plugin_clock_skew_seconds', 'This clock minus that of the CA', [[{}, clockSkewSeconds ?? undefined]]),
				gaugeText('birthmark_plugin_policy_ok', '1 when the policy file is whole, or there is none', [[{}, policy === null ? undefined : Number(policy === 'none' || /^[0-9a-f]{64}$/.test(policy))]]),
				gaugeText('birthmark_plugin_tmpfs_ok', '1 when a tmpfs can be mounted', [[{}, Number(tmpfs === 'ok')]]),
				gaugeText('birthmark_plugin_build_info', 'Always 1', [[{ version }, 1]]),
			].join('');
		},
	};
}

/** The code at the end of the sentence (refusal.ts). */
function reasonOf({ Allow, Msg = '' }: Verdict): string {
	if (Allow) return '';
	const code = /\[([a-z-]+)\]$/.exec(Msg)?.[1];
	return isErrorCode(code) ? code : 'proof';
}
