/** The store, each call of which is a span of its own within the request that made it. */

import type { Store } from '../store/store.ts';
import type { Tracer } from './tracer.ts';

/** What answers at once, or belongs to no request. */
const PLAIN: ReadonlySet<string> = new Set<keyof Store>(['waiting', 'close']);

export function traceStore(store: Store, tracer: Pick<Tracer, 'part'>): Store {
	const methods = Object.entries(store).map(([name, method]: [string, (...parameters: unknown[]) => Promise<unknown>]) => {
		return [name, PLAIN.has(name) ? method : (...parameters: unknown[]) => tracer.part(`store ${name}`, () => method(...parameters))];
	});
	return Object.fromEntries(methods) as Store;
}
