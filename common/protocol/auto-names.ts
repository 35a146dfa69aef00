/**
 * `birthmark.cn=auto`: instance and role from what the engine itself vouches for (docs/adr/0034). Of a
 * container that is its name, which no other container of the engine has; of a task of a swarm
 * service the service's name and the task's slot. Labels only say how to take a name apart, and only
 * where they agree with it.
 */

/** What `birthmark.cn` says to ask for it. */
export const AUTO_NAME = 'auto';

/** Not checked yet: nobody keeps an engine's names to what can stand in a certificate. */
export interface AutoNames {
	readonly commonName: string;
	/** absent: as for any common name */
	readonly organizationalUnit?: string;
}

/** As Docker Compose writes them on the containers that it makes (docker/compose, pkg/api/labels.go). */
const COMPOSE = { project: 'com.docker.compose.project', service: 'com.docker.compose.service', number: 'com.docker.compose.container-number' } as const;
/** What stands between the parts: `-`, and `_` of version 1. */
const COMPOSE_SEPARATORS = ['-', '_'];

/**
 * @param name of the container on its engine, without a slash; empty when the engine invents one
 * @returns undefined without a name that somebody gave it
 */
export function namesOfContainer(name: string, labels: ReadonlyMap<string, string>): AutoNames | undefined {
	if (name === '') return undefined;
	const [project, service, number] = [COMPOSE.project, COMPOSE.service, COMPOSE.number].map((label) => labels.get(label));
	const isOfService = COMPOSE_SEPARATORS.some((separator) => name === [project, service, number].join(separator));
	return { commonName: hostName(name), ...(isOfService && service !== undefined && { organizationalUnit: service }) };
}

/** @param which slot of a task of a replicated service, or what tells those of a global one apart */
export function namesOfTask(service: string, which: number | string): AutoNames {
	return { commonName: hostName(`${service}-${which}`), organizationalUnit: service };
}

/** Names of containers and services may have underscores, host names may not. */
function hostName(name: string): string {
	return name.replaceAll('_', '-');
}
