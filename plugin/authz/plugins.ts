/**
 * Plugins of the engine (50, 51, 19): who ends or changes this one ends what it enforces, and who
 * installs another or sets one up runs a program as root. The policy says who may; without a rule,
 * nobody. Root on the host takes this plugin out of daemon.json, and then nobody asks it
 * (docs/operations.md).
 */

import type { PluginFacts } from '#common/policy/request.ts';
import { namesUs } from '../self.ts';
import type { EngineCall } from './engine-call.ts';
import { asString, type Fields } from './go-struct.ts';
import type { AuthorizerDeps } from './rule.ts';

type Deps = Pick<AuthorizerDeps, 'ourPlugins' | 'policy'>;

const CONTROL_WHY = 'without this plugin nothing protects the identities on this host';
const INSTALL_WHY = 'a plugin of the engine can reach every container';

/** `POST /plugins/X/enable|disable`, `DELETE /plugins/X`: of others they concern nobody else. */
export async function checkPluginControl(deps: Deps, call: EngineCall, reference: string): Promise<void> {
	const plugin = await factsOf(deps, reference);
	if (plugin.own) await deps.policy.check(call, 'plugin-control', { plugin }, CONTROL_WHY);
}

/** `POST /plugins/X/set|upgrade`: of others, it is as good as another plugin. */
export async function checkPluginChange(deps: Deps, call: EngineCall, reference: string): Promise<void> {
	const plugin = await factsOf(deps, reference);
	if (plugin.own) await deps.policy.check(call, 'plugin-control', { plugin }, CONTROL_WHY);
	else await deps.policy.check(call, 'plugin-install', { plugin }, INSTALL_WHY);
}

/** `POST /plugins/pull` and `/plugins/create`. */
export async function checkPluginInstall(deps: Deps, call: EngineCall): Promise<void> {
	const reference = call.query.get('remote') ?? call.query.get('name') ?? '';
	await deps.policy.check(call, 'plugin-install', { plugin: { reference, name: call.query.get('name') ?? '', id: '', own: false } }, INSTALL_WHY);
}

/** A service whose tasks are plugins: `TaskTemplate.PluginSpec`. */
export async function checkPluginService(deps: Deps, call: EngineCall, spec: Fields): Promise<void> {
	const name = asString(spec.get('name'), 'PluginSpec.Name');
	if (name !== '') await checkPluginControl(deps, call, name);
	const plugin = { reference: asString(spec.get('remote'), 'PluginSpec.Remote'), name, id: '', own: false };
	await deps.policy.check(call, 'plugin-install', { plugin }, INSTALL_WHY);
}

/** @param reference name, name with tag, with registry, id or the beginning of one */
async function factsOf(deps: Deps, reference: string): Promise<PluginFacts> {
	const self = (await deps.ourPlugins()).find((ours) => namesUs(ours, reference));
	return self ? { reference, name: self.name, id: self.id ?? '', own: true } : { reference, name: '', id: '', own: false };
}
