/**
 * `GET /healthz`: the process answers. `GET /readyz`: and its store works, by a durable write; at most
 * one a second, because anybody may ask.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Store } from '../store/store.ts';
import { statusAnswer } from './answers.ts';
import type { Route } from './route.ts';

const CHECK_INTERVAL_MS = 1000;

export interface HealthDeps {
	readonly store: Pick<Store, 'check'>;
	readonly clock: { now(): Date };
}

export function healthRoutes({ store, clock }: HealthDeps): Route[] {
	let last: { readonly at: number; readonly result: Promise<void> } | undefined;
	const check = (): Promise<void> => {
		const at = clock.now().getTime();
		// A clock that was set back must not keep an old result for ever.
		if (!last || Math.abs(at - last.at) >= CHECK_INTERVAL_MS) last = { at, result: store.check() };
		return last.result;
	};
	return [
		{
			method: 'GET',
			path: '/healthz',
			roles: ['anonymous'],
			description: { summary: 'whether the process answers', answers: { 200: { summary: 'it does', schema: statusAnswer } } },
			handle: async () => ({ status: 200, json: { status: 'ok' } }),
		},
		{
			method: 'GET',
			path: '/readyz',
			roles: ['anonymous'],
			description: { summary: 'whether the store works, tried by a durable write', answers: { 200: { summary: 'it does', schema: statusAnswer } }, errors: ['ca-unavailable'] },
			async handle() {
				try {
					await check();
				} catch (cause) {
					throw new BirthmarkError('ca-unavailable', 'the store of the CA does not work', { cause });
				}
				return { status: 200, json: { status: 'ready' } };
			},
		},
	];
}
