/** An `https.Agent` that shows the identity in use at each new connection and lets older ones end. */

import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Followed } from './followed.ts';
import type { Identity } from './identity.ts';
import { clientOptions, serverCheck, type PeerOptions, type ServerCheck } from './server-check.ts';

/** What belongs to the identity cannot be set. */
export interface IdentityAgentOptions extends PeerOptions, Pick<AgentOptions, 'keepAlive' | 'keepAliveMsecs' | 'maxSockets' | 'maxTotalSockets' | 'maxFreeSockets' | 'scheduling' | 'timeout'> {}

type Callback = (error: Error | null, stream: Duplex) => void;

export class IdentityAgent extends Agent {
	readonly #watch: Followed;
	readonly #check: ServerCheck;
	/** by which identity a connection was made */
	readonly #since = new WeakMap<object, Identity>();
	readonly #onChange = (): void => this.#endIdle();

	constructor(watch: Followed, { peer, ...options }: IdentityAgentOptions = {}) {
		// Who resumes a session is not asked for a certificate again.
		super({ keepAlive: true, ...options, maxCachedSessions: 0 });
		this.#watch = watch;
		this.#check = serverCheck(peer);
		watch.on('change', this.#onChange);
	}

	override createConnection(options: RequestOptions, callback?: Callback): Duplex | null | undefined {
		let own;
		try {
			own = clientOptions(this.#watch, this.#check);
		} catch (error) {
			callback?.(error as Error, undefined as unknown as Duplex);
			return undefined;
		}
		const socket = super.createConnection({ ...options, ...own } as RequestOptions, callback);
		if (socket) {
			this.#since.set(socket, this.#watch.current);
			socket.once('secureConnect', () => this.#watch.track(socket));
		}
		return socket;
	}

	/** An older connection is not used again after what is under way on it. */
	override keepSocketAlive(socket: Duplex): boolean {
		return this.#isCurrent(socket) && (super.keepSocketAlive(socket) as unknown as boolean);
	}

	override destroy(): void {
		this.#watch.off('change', this.#onChange);
		super.destroy();
	}

	#endIdle(): void {
		const idle = Object.values(this.freeSockets).flatMap((sockets) => sockets ?? []);
		for (const socket of idle) if (!this.#isCurrent(socket)) socket.destroy();
	}

	#isCurrent(socket: Duplex): boolean {
		return this.#since.get(socket)?.isSamePublication(this.#watch.current) === true;
	}
}
