/** What the CA decided since a moment, from its audit log. */

import type { AuditRecord } from '#common/protocol/audit-chain.ts';
import type { World } from './world.ts';

/**
 * @param earlier how many records before this call are wanted as well
 * @returns a function that reads the records since this call
 */
export async function auditEvents(world: Pick<World, 'birthmark'>, earlier = 0): Promise<() => Promise<readonly (AuditRecord & { readonly subject: string })[]>> {
	const { head } = JSON.parse((await run(world, ['audit', 'ls', '--lines', '0', '--json']))) as { head: { sequence: number } };
	return async () => {
		const lines = (await run(world, ['audit', 'export', '--after', String(Math.max(0, head.sequence - earlier))])).split('\n').filter(Boolean);
		return lines.map((line) => ({ subject: '', ...(JSON.parse(line) as AuditRecord) }));
	};
}

async function run(world: Pick<World, 'birthmark'>, args: readonly string[]): Promise<string> {
	const ran = await world.birthmark(args);
	if (ran.code !== 0) throw new Error(`birthmark ${args.join(' ')}: ${ran.stderr}`);
	return ran.stdout;
}
