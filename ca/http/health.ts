/** `GET /healthz`: the process answers. `GET /readyz`: and its store works. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Store } from '../store/store.ts';
import type { Route } from './route.ts';

export function healthRoutes({ store }: { readonly store: Pick<Store, 'check'> }): Route[] {
	return [
		{
			method: 'GET',
			path: '/healthz',
			roles: ['anonymous'],
			handle: async () => ({ status: 200, json: { status: 'ok' } }),
		},
		{
			method: 'GET',
			path: '/readyz',
			roles: ['anonymous'],
			async handle() {
				try {
					await store.check();
				} catch (cause) {
					throw new BirthmarkError('ca-unavailable', 'the store of the CA does not work', { cause });
				}
				return { status: 200, json: { status: 'ready' } };
			},
		},
	];
}
