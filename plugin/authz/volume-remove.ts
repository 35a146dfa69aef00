/**
 * `DELETE /volumes/X`: the sentinel stays as long as the plugin is in the chain. Without it the engine
 * would disable the plugin unforced. Pruning needs no rule: it removes volumes of the local driver only
 * (moby, volume/service LocalVolumesPrune).
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { SENTINEL_VOLUME } from '#common/protocol/plugin-status.ts';
import { guardSentinel } from '#common/protocol/plugin-upgrade.ts';
import type { EngineCall } from './engine-call.ts';
import type { AuthorizerDeps } from './rule.ts';

/** @throws BirthmarkError `sentinel-needed` */
export async function checkVolumeRemove({ self }: Pick<AuthorizerDeps, 'self'>, _: EngineCall, volume: string): Promise<void> {
	if (volume !== SENTINEL_VOLUME && volume !== guardSentinel((await self()).name)) return;
	throw new BirthmarkError(
		'sentinel-needed',
		`${volume} keeps the plugin from being disabled by mistake; to remove the plugin, first take it out of "authorization-plugins" in daemon.json and send the engine a SIGHUP`,
	);
}
