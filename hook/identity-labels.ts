/**
 * The labels by which a container asks for an identity, from values. What they mean is decided by
 * the plugin, which reads and checks them again; here mistakes are found before the engine is asked.
 */

import type { AgentMode } from '#common/protocol/agent-file.ts';
import type { WorkloadProfile } from '#common/protocol/messages.ts';
import { checkDnsName, checkName } from '#common/protocol/names.ts';
import type { Format } from '#common/protocol/publication.ts';
import type { ReloadOccasion } from '#common/protocol/reload.ts';

/** The identity that a container is to be born with. */
export interface ContainerIdentity {
	/** CN, the service instance: a host name; `auto` for the name of the container on its engine */
	readonly commonName: string;
	/** OU, its role; the name without the number at its end when absent */
	readonly organizationalUnit?: string;
	/** DNS names beside the CN */
	readonly dnsNames?: readonly string[];
	/** what the certificate is for; by default `workload`, servers and clients at once */
	readonly profile?: WorkloadProfile;
	/** of the certificate; the CA's default when absent */
	readonly lifetimeSeconds?: number;
	/** for whom the files are, when it is not the container's user */
	readonly uid?: number;
	readonly gid?: number;
	/** permission bits of the identity directory; default 0o700, 0o750 when the files are for another user */
	readonly directoryMode?: number;
	/** permission bits of key files: 0o600 (default), 0o640, 0o400, 0o440 */
	readonly keyMode?: number;
	/** in which formats beside PEM the identity is written */
	readonly formats?: readonly Format[];
	/** limits of the identity directory; 1 MiB and 128 inodes when absent */
	readonly sizeBytes?: number;
	readonly inodes?: number;
	/** `relay` (default) by a socket on the volume, `network` by the CA's address */
	readonly caWay?: 'relay' | 'network';
	/** who runs the agent; by default the one that the delivery has */
	readonly agentMode?: AgentMode;
	/** how the application takes up a new certificate: `signal:HUP`, `exec:nginx -s reload`, `http://127.0.0.1:8080/reload` */
	readonly reload?: string;
	/** `any` (default): when somebody was revoked, too; `certificate`: for a new certificate or trust bundle only */
	readonly reloadOn?: ReloadOccasion;
	/** where it serves it, to be looked at afterwards: `8443`, `postgres:5432` */
	readonly port?: number | string;
}

/**
 * @returns the labels to add to the container
 * @throws BirthmarkError `name-illegal`
 */
export function identityLabels(identity: ContainerIdentity): Record<string, string> {
	const { commonName, organizationalUnit, dnsNames = [], profile, lifetimeSeconds, uid, gid, directoryMode, keyMode, formats, sizeBytes, inodes, caWay, agentMode, reload, reloadOn, port } = identity;
	const labels: Record<string, string | undefined> = {
		'birthmark.cn': checkName('common name', commonName),
		'birthmark.ou': organizationalUnit === undefined ? undefined : checkName('role', organizationalUnit),
		'birthmark.dns': dnsNames.length === 0 ? undefined : dnsNames.map(checkDnsName).join(','),
		'birthmark.profile': profile,
		'birthmark.ttl': lifetimeSeconds?.toString(),
		'birthmark.uid': uid?.toString(),
		'birthmark.gid': gid?.toString(),
		'birthmark.mode': directoryMode?.toString(8).padStart(4, '0'),
		'birthmark.key-mode': keyMode?.toString(8).padStart(4, '0'),
		'birthmark.formats': formats?.join(),
		'birthmark.size': sizeBytes?.toString(),
		'birthmark.inodes': inodes?.toString(),
		'birthmark.ca': caWay,
		'birthmark.agent': agentMode,
		'birthmark.reload': reload,
		'birthmark.reload-on': reloadOn,
		'birthmark.port': port?.toString(),
	};
	return Object.fromEntries(Object.entries(labels).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
