/**
 * What the command `birthmark plugin upgrade` and the plugins on the host say to each other
 * (docs/adr/0026): names, and the permit with which the command passes the rules about plugins.
 */

/** A stand-in of the plugin `X` is called `X-guard`, its sentinel volume `X-guard-sentinel`. */
export const GUARD_SUFFIX = '-guard';

/** Not one of those that the engine hides from plugins; canonical as net/http of Go writes it. */
export const PERMIT_HEADER = 'X-Birthmark-Permit';

/** Below the run directory of the plugin (the source of its mount "run"): 64 hexadecimal digits, of root, mode 0600. */
export const PERMIT_FILE = 'birthmark/upgrade.permit';

/** The name of a plugin without its tag `latest`. */
export function shortPluginName(name: string): string {
	return name.replace(/:latest$/, '');
}

/** @param main name of the plugin that it stands in for, with or without its tag */
export function guardName(main: string): string {
	return shortPluginName(main).replaceAll(/[/:]/g, '-') + GUARD_SUFFIX;
}

/** @param main name of the plugin that it stands in for, with or without its tag */
export function guardSentinel(main: string): string {
	return `${guardName(main)}-sentinel`;
}

/** The `Status` of a stand-in's sentinel volume. */
export interface GuardStatus {
	readonly version: string;
	/** id of the plugin that it stands in for */
	readonly guardOf: string;
	/** as in PluginStatus */
	readonly inChain: boolean | null;
	/** `ok`, or why it cannot read the records of the other one */
	readonly records: string;
}
