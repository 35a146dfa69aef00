/**
 * A dispatcher for undici and `fetch`. undici keeps a pool for each origin and cannot be told to end
 * it, so after each rotation the next pools take over and those before are closed, which waits for what
 * is under way.
 */

import type { Socket } from 'node:net';
import type { Followed } from './followed.ts';
import { serverCheck, type PeerOptions } from './server-check.ts';

/** As much of the module as is needed; it is passed in, so that nobody has it who does not use it. */
export interface Undici {
	readonly Dispatcher: new () => object;
	readonly Agent: new (options: never) => Pools;
	readonly buildConnector: (options: never) => Connector;
}

export type DispatcherOf<U extends Undici> = InstanceType<U['Dispatcher']>;

/** Other options of undici's Agent; `connect` with what belongs to the identity is made here. */
export interface DispatcherOptions extends PeerOptions {
	readonly agent?: Readonly<Record<string, unknown>> & { readonly allowH2?: boolean; readonly connectTimeout?: number };
}

interface Pools {
	dispatch(options: never, handler: never): boolean;
	close(): Promise<void>;
	destroy(error?: Error | null): Promise<void>;
}

type Connector = (options: never, callback: (...result: [null, Socket] | [Error, null]) => void) => void;

export function createDispatcher<U extends Undici>(watch: Followed, undici: U, { agent = {}, peer }: DispatcherOptions = {}): DispatcherOf<U> {
	const checkServerIdentity = serverCheck(peer);
	/** of all pools: those that are closing have forgotten theirs when they are to be destroyed */
	const sockets = new Set<Socket>();
	let destroyed: Error | undefined;
	const connect: Connector = (target, callback) => {
		if (destroyed) {
			callback(destroyed, null);
			return;
		}
		let secureContext;
		try {
			({ secureContext } = watch.requireValid());
		} catch (error) {
			callback(error as Error, null);
			return;
		}
		// Who resumes a session is not asked for a certificate again.
		const options = { secureContext, checkServerIdentity, rejectUnauthorized: true, maxCachedSessions: 0, allowH2: agent.allowH2, timeout: agent.connectTimeout };
		undici.buildConnector(options as never)(target, (...result) => {
			const [, socket] = result;
			if (socket) {
				watch.track(socket);
				sockets.add(socket);
				socket.once('close', () => sockets.delete(socket));
				if (destroyed) socket.destroy(destroyed);
			}
			callback(...result);
		});
	};
	const open = (): Pools => new undici.Agent({ ...agent, connect } as never);

	class IdentityDispatcher extends (undici.Dispatcher as new () => object) {
		#pools = open();
		#since = watch.current;
		/** closed, with answers under way */
		readonly #ending = new Set<Pools>();
		readonly #onChange = (): void => {
			if (this.#since.isSamePublication(watch.current)) return;
			this.#since = watch.current;
			const old = this.#pools;
			this.#pools = open();
			this.#ending.add(old);
			const forget = (): boolean => this.#ending.delete(old);
			// Whoever destroys them meanwhile is told by that call.
			old.close().then(forget, forget);
		};

		constructor() {
			super();
			watch.on('change', this.#onChange);
		}

		dispatch(options: never, handler: never): boolean {
			return this.#pools.dispatch(options, handler);
		}

		close(callback?: () => void): Promise<void> {
			watch.off('change', this.#onChange);
			return whenDone([...this.#ending, this.#pools].map((pools) => pools.close()), callback);
		}

		destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> {
			watch.off('change', this.#onChange);
			const [cause, done] = typeof error === 'function' ? [null, error] : [error, callback];
			destroyed ??= cause ?? new Error('the dispatcher was destroyed');
			const ends = [...this.#ending, this.#pools].map((pools) => pools.destroy(cause));
			for (const socket of sockets) socket.destroy(destroyed);
			return whenDone(ends, done);
		}
	}

	return new IdentityDispatcher() as DispatcherOf<U>;
}

/** undici's own dispatchers take a callback too. */
async function whenDone(ends: readonly Promise<void>[], callback?: () => void): Promise<void> {
	await Promise.all(ends);
	callback?.();
}
