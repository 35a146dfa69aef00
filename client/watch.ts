/**
 * A watch of this container's identity: what is published now, and every change of it. Nothing here
 * talks to the CA; the agent renews, and this follows the files.
 */

import { EventEmitter } from 'node:events';
import type { Agent } from 'node:https';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions, SecureVersion, TlsOptions } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { IDENTITY_DIRECTORY, VolumeFile } from '#common/protocol/volume-files.ts';
import { createConnections } from './connections.ts';
import type { DirectoryWatch } from './directory-watch.ts';
import { followDirectory } from './follow-directory.ts';
import { channelCredentials, serverCredentials, type ChannelCredentialsOf, type Grpc, type ServerCredentialsOf } from './grpc.ts';
import { IdentityAgent, type IdentityAgentOptions } from './https-agent.ts';
import { readIdentity, systemCode, type Identity } from './identity.ts';
import { clientOptions, serverCheck, type PeerOptions } from './server-check.ts';
import { followServer, serverOptions, type FollowableServer } from './server.ts';
import { createDispatcher, type DispatcherOf, type DispatcherOptions, type Undici } from './undici.ts';

export interface IdentityOptions {
	/** default `/run/birthmark` */
	readonly directory?: string;
	/** refuse peers that the CA has revoked, by the lists on the volume; default true */
	readonly crl?: boolean;
	/** default `TLSv1.3` */
	readonly minVersion?: SecureVersion;
	/** how long to wait for the first identity; default 30 s */
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;

interface Events {
	/** another identity, trust bundle or revocation list is in use from now on */
	change: [Identity];
	/** what is published now cannot be used: what was before stays in use */
	problem: [BirthmarkError];
}

/**
 *     const me = await identity();
 *     const server = me.follow(https.createServer(me.serverOptions(), handler));
 *
 * Waits until the identity is published; from then on the watch keeps no process alive.
 *
 * @throws BirthmarkError `identity-missing` when there is none in time, `directory-unusable`, `certificate-invalid`
 * @throws the signal's reason
 */
export async function identity({ directory = IDENTITY_DIRECTORY, crl = true, minVersion = 'TLSv1.3', timeoutMs = TIMEOUT_MS, signal }: IdentityOptions = {}): Promise<IdentityWatch> {
	signal?.throwIfAborted();
	const { promise, resolve, reject } = Promise.withResolvers<IdentityWatch>();
	let missing: BirthmarkError | undefined;
	const read = () => readIdentity(directory, { crl, minVersion });
	const onChange = (): void => {
		if (watch) return watch.refresh();
		try {
			watch = new IdentityWatch(read(), files, read);
			resolve(watch);
		} catch (error) {
			if (error instanceof BirthmarkError && error.code === 'identity-missing') missing = error;
			else reject(error as Error);
		}
	};
	const onFault = (cause: Error): void => {
		const error = unwatchable(directory, cause);
		if (watch) watch.emit('problem', error);
		else reject(error);
	};
	let watch: IdentityWatch | undefined;
	const files = openWatch(directory, onChange, onFault);
	const timer = setTimeout(() => reject(missing), timeoutMs);
	const onAbort = (): void => reject(signal!.reason as Error);
	signal?.addEventListener('abort', onAbort, { once: true });
	try {
		files.ref();
		onChange();
		return await promise;
	} catch (error) {
		files.close();
		throw error;
	} finally {
		clearTimeout(timer);
		signal?.removeEventListener('abort', onAbort);
		files.unref();
	}
}

function openWatch(directory: string, onChange: () => void, onFault: (cause: Error) => void): DirectoryWatch {
	try {
		return followDirectory(directory, { names: [VolumeFile.current, VolumeFile.revocationList], onChange, onFault });
	} catch (cause) {
		throw unwatchable(directory, cause);
	}
}

function unwatchable(directory: string, cause: unknown): BirthmarkError {
	return new BirthmarkError('directory-unusable', `${directory} cannot be watched (${systemCode(cause)}): rotations would not be noticed`, { cause });
}

/** Made by {@link identity}. */
export class IdentityWatch extends EventEmitter<Events> implements AsyncIterable<Identity>, Disposable {
	readonly #files: DirectoryWatch;
	readonly #read: () => Identity;
	#current: Identity;
	#isClosed = false;
	readonly #connections = createConnections(() => this.#current);
	/** resolves at the next change, or when nothing more will change */
	#next = Promise.withResolvers<void>();

	constructor(first: Identity, files: DirectoryWatch, read: () => Identity) {
		super();
		// Each server, agent and credentials object listens; there is no number of them that would be a leak.
		this.setMaxListeners(0);
		this.#current = first;
		this.#files = files;
		this.#read = read;
	}

	/** What is in use now. Hold it for one use, not for long. */
	get current(): Identity {
		return this.#current;
	}

	/** @throws BirthmarkError `identity-expired`: the agent could not renew it; its log says why */
	requireValid(): Identity {
		if (!this.#current.isExpired) return this.#current;
		const { notAfter } = this.#current;
		throw new BirthmarkError('identity-expired', `the identity expired at ${notAfter.toISOString()} and was not renewed: birthmark-agent status and the agent's log say why`);
	}

	/** Looks now, as after each change of the files. */
	refresh(): void {
		if (this.#isClosed) return;
		let next: Identity;
		try {
			next = this.#read();
		} catch (error) {
			this.emit('problem', error as BirthmarkError);
			return;
		}
		const before = this.#current;
		if (next.isSamePublication(before) && next.crl === before.crl) return;
		this.#current = next;
		if (next.crl !== before.crl) this.#connections.endRevoked(next);
		this.#wake();
		this.emit('change', next);
	}

	/** Ends a connection whose peer is revoked later. Whatever is made by this watch is tracked already. */
	track(socket: Duplex): void {
		this.#connections.track(socket);
	}

	#wake(): void {
		this.#next.resolve();
		this.#next = Promise.withResolvers();
	}

	/** The identity in use, then every later one; who is slow gets the newest. Ends when the watch is closed. */
	async *[Symbol.asyncIterator](): AsyncGenerator<Identity, void> {
		for (let last: Identity | undefined; !this.#isClosed; ) {
			if (last === this.#current) {
				await this.#next.promise;
			} else {
				last = this.#current;
				yield last;
			}
		}
	}

	/** For `https.createServer`, `tls.createServer` and `http2.createSecureServer`: peers need a certificate of the same CA. */
	serverOptions(): TlsOptions {
		return serverOptions(this.#current);
	}

	/**
	 * Has a server use each new identity at its next handshake. Connections stay, but those of peers that the CA revokes.
	 *
	 * @returns the same server
	 */
	follow<S extends FollowableServer>(server: S): S {
		return followServer(this, server);
	}

	/** For one connection by `tls.connect` or `http2.connect`. @throws BirthmarkError `identity-expired` */
	clientOptions({ peer }: PeerOptions = {}): ConnectionOptions {
		return clientOptions(this, serverCheck(peer));
	}

	/** For `https.request` and everything that takes an agent of Node. */
	agent(options?: IdentityAgentOptions): Agent {
		return new IdentityAgent(this, options);
	}

	/** For undici and `fetch`: `fetch(url, { dispatcher: me.dispatcher(undici) })`. @param undici the module */
	dispatcher<U extends Undici>(undici: U, options?: DispatcherOptions): DispatcherOf<U> {
		return createDispatcher(this, undici, options);
	}

	/** For servers of `@grpc/grpc-js`. @param grpc the module */
	grpcServerCredentials<G extends Grpc>(grpc: G): ServerCredentialsOf<G> {
		return serverCredentials(this, grpc);
	}

	/** For clients of `@grpc/grpc-js`. @param grpc the module */
	grpcChannelCredentials<G extends Grpc>(grpc: G, { peer }: PeerOptions = {}): ChannelCredentialsOf<G> {
		return channelCredentials(this, grpc, peer);
	}

	/** Stops following; what was made with the watch goes on with the last identity. */
	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#files.close();
		this.#wake();
	}

	[Symbol.dispose](): void {
		this.close();
	}
}
