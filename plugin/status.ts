/** The health of the plugin as `docker volume inspect birthmark-sentinel` shows it. */

import type { PluginStatus } from '#common/protocol/plugin-status.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { VERSION } from '#common/protocol/version.ts';
import { OUT_OF_CHAIN } from './enforcement.ts';
import type { MountAbilities } from './volume/mount-abilities.ts';
import { leafOf, type NodeIdentity } from './node-identity.ts';

export interface StatusDeps {
	readonly isSeen: () => boolean;
	readonly enforcement: { inChain(): boolean | null; problem(): string | undefined };
	readonly nodeIdentity: { current(): NodeIdentity | undefined };
	readonly membership: { problem(): string | undefined };
	readonly ca: { isReachable(): boolean | undefined; clockSkewSeconds(): number | undefined };
	readonly records: { outboxLength(): number };
	readonly policyFile: { state(): string | undefined };
	readonly tmpfs: { readonly abilities: MountAbilities; problem(): string | undefined };
}

export function pluginStatus({ isSeen, enforcement, nodeIdentity, membership, ca, records, policyFile, tmpfs }: StatusDeps): PluginStatus {
	const node = nodeIdentity.current();
	const enforcementProblem = enforcement.problem();
	return {
		version: VERSION,
		seen: isSeen(),
		inChain: enforcement.inChain(),
		...(enforcementProblem !== undefined && enforcementProblem !== OUT_OF_CHAIN && { enforcementProblem }),
		joined: node !== undefined,
		node: node?.name ?? null,
		nodeCertificateExpires: node ? leafOf(node.certificate, node.key).notAfter.toISOString() : null,
		bundleDigest: node ? bundleDigest(node.bundle).toString('hex') : null,
		ca: membership.problem() ?? (ca.isReachable() === false ? 'the last call did not reach it' : 'reachable'),
		clockSkewSeconds: ca.clockSkewSeconds() ?? null,
		pendingRevocations: records.outboxLength(),
		policy: policyFile.state() ?? null,
		tmpfs: tmpfs.problem() ?? 'ok',
		noswap: tmpfs.abilities.noswap,
	};
}
