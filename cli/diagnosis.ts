/** What `birthmark doctor` concludes from what it saw: pure, one finding a question. */

import type { EngineView } from './docker.ts';

export interface Finding {
	readonly check: string;
	readonly verdict: 'ok' | 'warning' | 'fault';
	readonly detail: string;
	/** what to do, for everything that is not ok */
	readonly remedy?: string;
}

/** More, and certificates are not valid yet or expired already for somebody. */
const MAX_SKEW_SECONDS = 30;
const NODE_CERTIFICATE_WARNING_MS = 3 * 24 * 3600 * 1000;

/** @param engine what the engine said, or why it could not be asked */
export function diagnoseEngine(engine: EngineView | Error, pluginName: string, now: Date): Finding[] {
	if (engine instanceof Error) return [fault('engine', engine.message, 'start the engine, or set DOCKER_HOST to its address')];
	const findings: Finding[] = [ok('engine', `Docker ${engine.version}, API ${engine.apiVersion}`)];
	const { plugin, status } = engine;
	if (engine.guard !== undefined) findings.push(warning('upgrade', `${engine.guard} stands in for the plugin: an upgrade is under way, or was interrupted`, 'wait for it, or as root: birthmark plugin upgrade --resume'));
	if (!plugin) return [...findings, fault('plugin', `no plugin ${pluginName} is installed`, `docker plugin install --alias ${pluginName} REGISTRY/birthmark CA_URL=https://… JOIN_TOKEN=…`)];
	if (!plugin.enabled) return [...findings, fault('plugin', `${plugin.name} is disabled`, `docker plugin enable ${pluginName}, then make the engine reload daemon.json (kill -HUP $(pidof dockerd))`)];
	findings.push(ok('plugin', `${plugin.name} is enabled`));
	if (!status) return [...findings, fault('plugin status', 'the plugin says nothing of itself: its sentinel volume is missing', `is it in the authorization chain? name it in daemon.json ("authorization-plugins": ["${pluginName}"]) and send the engine a SIGHUP; the plugin's lines are in the engine's log`)];
	if (status.inChain === true) findings.push(ok('enforcement', 'the engine asks the plugin before it acts'));
	else if (status.inChain === false) findings.push(enforcementFault(status.enforcementProblem) ?? fault('enforcement', 'the engine does NOT ask the plugin: no token is issued', `name it in daemon.json ("authorization-plugins": ["${pluginName}"]) and send the engine a SIGHUP, which is also needed after each disable and enable of the plugin`));
	else findings.push(warning('enforcement', 'not known yet', 'run this again in a few seconds'));
	findings.push(status.joined ? ok('node', `joined as ${status.node ?? '?'}`) : fault('node', 'the plugin has not joined a CA', 'birthmark node token …, then docker plugin set birthmark CA_URL=… JOIN_TOKEN=… and enable it'));
	if (status.nodeCertificateExpires !== null) {
		const left = Date.parse(status.nodeCertificateExpires) - now.getTime();
		if (left > NODE_CERTIFICATE_WARNING_MS) findings.push(ok('node certificate', `valid until ${status.nodeCertificateExpires}`));
		else if (left > 0) findings.push(warning('node certificate', `expires at ${status.nodeCertificateExpires}`, 'is the CA reachable from the plugin? it renews by itself'));
		else findings.push(fault('node certificate', `expired at ${status.nodeCertificateExpires}`, 'join again: birthmark node token --name …, then docker plugin set … JOIN_TOKEN=…'));
	}
	findings.push(status.ca === 'reachable' ? ok('CA from the node', 'reachable') : fault('CA from the node', status.ca, 'is CA_URL of the plugin right, and does the CA run?'));
	if (status.clockSkewSeconds !== null) {
		const skew = Math.abs(status.clockSkewSeconds);
		findings.push(skew <= MAX_SKEW_SECONDS ? ok('clock', `${skew.toFixed(1)} s from the CA's`) : fault('clock', `${skew.toFixed(0)} s from the CA's`, 'synchronize the clocks (chrony, systemd-timesyncd)'));
	}
	findings.push(policyFinding(status.policy));
	findings.push(status.tmpfs === 'ok' ? ok('tmpfs', status.noswap ? 'mounts, and stays out of the swap' : 'mounts, and may go to the swap') : fault('tmpfs', status.tmpfs, 'the plugin needs CAP_SYS_ADMIN and a kernel with tmpfs'));
	findings.push(status.pendingRevocations === 0 ? ok('revocations', 'all delivered') : warning('revocations', `${status.pendingRevocations} wait for the CA`, 'they are delivered when the CA answers'));
	return findings;
}

/** A plugin of another version may say nothing of it. */
function policyFinding(state: string | null | undefined): Finding {
	if (typeof state !== 'string') return ok('policy', 'not looked at yet');
	if (state === 'none') return ok('policy', 'built-in rules only: the allow list at the CA decides about names');
	if (/^[0-9a-f]{64}$/.test(state)) return ok('policy', `in force, SHA-256 ${state.slice(0, 12)}…`);
	return fault('policy', state, 'birthmark policy check shows every fault; until it is mended nothing that needs a permit is permitted');
}

/** @param problem "what is wrong; what to do", when it is not that the plugin is missing in the chain */
function enforcementFault(problem: string | undefined): Finding | undefined {
	if (problem === undefined) return undefined;
	const [what = '', ...remedy] = problem.split('; ');
	return fault('enforcement', `${what}: no token is issued`, remedy.join('; '));
}

export const ok = (check: string, detail: string): Finding => ({ check, verdict: 'ok', detail });
export const warning = (check: string, detail: string, remedy: string): Finding => ({ check, verdict: 'warning', detail, remedy });
export const fault = (check: string, detail: string, remedy: string): Finding => ({ check, verdict: 'fault', detail, remedy });
