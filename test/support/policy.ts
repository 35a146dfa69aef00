/** Rules for a while: added to the policy of the engine under test, and gone after the test. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { World } from './world.ts';

/**
 * @param rules Cedar text; each with an `@id`
 * @returns takes them away at once
 */
export function addRules(t: ExecutionContext, world: Pick<World, 'state'>, rules: string): () => void {
	const withdraw = addRulesUntil(world, rules);
	t.teardown(withdraw);
	return withdraw;
}

/** For hooks, which have no teardown. @returns takes them away */
export function addRulesUntil({ state }: Pick<World, 'state'>, rules: string): () => void {
	const path = join(state, 'policy.cedar');
	replace(path, `${readFileSync(path, 'utf8')}\n${rules}\n`);
	return () => replace(path, readFileSync(path, 'utf8').replace(`\n${rules}\n`, ''));
}

/** By rename: no reader sees half a file. */
function replace(path: string, text: string): void {
	writeFileSync(`${path}.next`, text, { mode: 0o644 });
	renameSync(`${path}.next`, path);
}
