/**
 * Namespaces of other containers (29, 35): `--pid`, `--ipc`, `--network container:X`. Those of a
 * container with an identity show its processes, its shared memory, its addresses: the policy says
 * who may, also of one that joined them itself. Whoever joins the processes of a container that sees
 * the host's, sees the host's.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { Engine, EngineContainerDetails } from '../docker.ts';
import { asString, type Fields } from './go-struct.ts';
import type { EngineCall } from './engine-call.ts';
import { checkReach, type ReachDeps } from './labelled-containers.ts';

export interface Join {
	readonly namespace: 'pid' | 'ipc' | 'network' | 'cgroup';
	readonly reference: string;
}

const MODES = [['pid', 'pidmode'], ['ipc', 'ipcmode'], ['network', 'networkmode'], ['cgroup', 'cgroup']] as const;
const PREFIX = 'container:';
/** A joins B, which joins C, …: the engine follows one after the other */
const MAX_CHAIN = 8;

/** What HostConfig asks to join. */
export function joinsOf(host: Fields): Join[] {
	return MODES.flatMap(([namespace, field]) => {
		const mode = asString(host.get(field), `HostConfig.${field}`);
		return mode.startsWith(PREFIX) ? [{ namespace, reference: mode.slice(PREFIX.length) }] : [];
	});
}

/**
 * @returns powers that come with the namespaces
 * @throws BirthmarkError for one that the policy does not permit to join
 */
export async function checkJoins(deps: ReachDeps & { readonly engine: Pick<Engine, 'inspect'> }, call: EngineCall, joins: readonly Join[]): Promise<string[]> {
	const powers: string[] = [];
	for (const { namespace, reference } of joins) {
		let next = reference;
		for (let length = 0; ; length++) {
			if (length === MAX_CHAIN) throw new BirthmarkError('identity-isolated', `${quote(reference)} shares its ${namespace} namespace with too many others, one after the other; join the first of them`);
			const container = await deps.lookup.labelled(next);
			if (container) await checkReach(deps, call, 'join', container, `whoever shares its ${namespace} namespace is inside with it`);
			const mode = modeOf(await deps.engine.inspect(next), namespace);
			// Only of processes does it matter that they are the host's.
			if (namespace === 'pid' && mode === 'host') powers.push('pid-host');
			if (!mode.startsWith(PREFIX)) break;
			next = mode.slice(PREFIX.length);
		}
	}
	return powers;
}

/**
 * After the engine created a container that joins others. Their names may have become those of others
 * since they were judged, also of one that was created just now; what was created says whose they are.
 * It is removed when it may not be.
 *
 * @throws BirthmarkError as {@link checkJoins}
 */
export async function confirmJoins(deps: ReachDeps & { readonly engine: Pick<Engine, 'inspect' | 'removeContainer'> }, call: EngineCall, containerId: string): Promise<void> {
	const container = await deps.engine.inspect(containerId);
	const joins = MODES.flatMap(([namespace]) => {
		const mode = modeOf(container, namespace);
		return mode.startsWith(PREFIX) ? [{ namespace, reference: mode.slice(PREFIX.length) }] : [];
	});
	try {
		await checkJoins(deps, call, joins);
	} catch (error) {
		await deps.engine.removeContainer(containerId);
		throw error;
	}
}

function modeOf(container: EngineContainerDetails | undefined, namespace: Join['namespace']): string {
	const { PidMode = '', IpcMode = '', NetworkMode = '', Cgroup = '' } = container?.HostConfig ?? {};
	return { pid: PidMode, ipc: IpcMode, network: NetworkMode, cgroup: Cgroup }[namespace];
}
