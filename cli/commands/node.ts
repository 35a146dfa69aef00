/** `birthmark node`: the engine hosts that may authorize containers. */

import type { Command } from 'commander';
import type { JoinTokenRequest, MintedToken, NodeInfo, NodeUpdate, RevokeAnswer } from '#common/protocol/messages.ts';
import type { Context } from '../context.ts';
import { formatTable } from '../output.ts';
import { parseSeconds } from '../span.ts';

export function addNode(program: Command, context: Context): void {
	const node = program.command('node').description('engine hosts: join tokens, what they may authorize, cutting off');

	node
		.command('token')
		.description('make a one-time token with which a plugin joins (its setting JOIN_TOKEN)')
		.option('--name <node>', 'the only name it is good for (default: the host name that the plugin reports)')
		.option('--allow <cn/ou...>', 'names that the node may authorize, e.g. "api*/web-api"; * and ? are wildcards', [])
		.option('--ttl <span>', 'how long it is good, e.g. 30m or 2h', parseSeconds)
		.option('--json', 'print JSON')
		.action(async ({ name, allow, ttl }: { name?: string; allow: string[]; ttl?: number }) => {
			const request: JoinTokenRequest = { role: 'node', allow, ...(name === undefined ? {} : { name }), ...(ttl === undefined ? {} : { ttlSeconds: ttl }) };
			const minted = await context.ca().json<MintedToken>('POST', '/v1/join-tokens', request);
			if (context.wantsJson()) return context.output.json(minted);
			context.output.line(minted.token);
			if (allow.length === 0) process.stderr.write('note: without --allow the node may authorize no name; add some later with "birthmark node allow"\n');
		});

	node
		.command('ls')
		.description('list nodes')
		.option('--json', 'print JSON')
		.action(async () => {
			const { nodes } = await context.ca().json<{ nodes: NodeInfo[] }>('GET', '/v1/nodes');
			if (context.wantsJson()) return context.output.json({ nodes });
			context.output.line(formatTable(['NODE', 'STATUS', 'LIVE', 'JOINED', 'MAY AUTHORIZE'], nodes.map((item) => [item.name, item.status, String(item.liveIdentities), item.joinedAt, item.allow.join(', ') || '(nothing)'])));
		});

	node
		.command('allow')
		.description('add names that a node may authorize')
		.argument('<node>')
		.argument('<cn/ou...>', 'e.g. "api*/web-api"')
		.option('--replace', 'these names only, instead of adding them')
		.option('--json', 'print JSON')
		.action(async (name: string, patterns: string[], { replace }: { replace?: boolean }) => {
			const update: NodeUpdate = replace ? { allow: patterns } : { add: patterns };
			const changed = await context.ca().json<NodeInfo>('PATCH', `/v1/nodes/${encodeURIComponent(name)}`, update);
			if (context.wantsJson()) return context.output.json(changed);
			context.output.line(`${changed.name} may authorize: ${changed.allow.join(', ') || '(nothing)'}`);
		});

	node
		.command('disallow')
		.description('take names away that a node may authorize')
		.argument('<node>')
		.argument('<cn/ou...>', 'rules as "birthmark node ls" shows them')
		.option('--json', 'print JSON')
		.action(async (name: string, patterns: string[]) => {
			const update: NodeUpdate = { remove: patterns };
			const changed = await context.ca().json<NodeInfo>('PATCH', `/v1/nodes/${encodeURIComponent(name)}`, update);
			if (context.wantsJson()) return context.output.json(changed);
			context.output.line(`${changed.name} may authorize: ${changed.allow.join(', ') || '(nothing)'}`);
		});

	node
		.command('rm')
		.description('cut a node off: its certificate and everything it authorized is revoked at once')
		.argument('<node>')
		.option('--json', 'print JSON')
		.action(async (name: string) => {
			const answer = await context.ca().json<RevokeAnswer>('DELETE', `/v1/nodes/${encodeURIComponent(name)}`);
			if (context.wantsJson()) return context.output.json(answer);
			context.output.line(`${name} is cut off; revoked ${answer.revoked} certificate${answer.revoked === 1 ? '' : 's'}`);
		});
}
