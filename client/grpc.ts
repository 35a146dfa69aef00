/**
 * Credentials for `@grpc/grpc-js` that follow the identity. The library's own for changing
 * certificates (experimental) know no revocation lists, so these are classes of its credentials.
 */

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Followed } from './followed.ts';
import type { Identity } from './identity.ts';
import { serverOptions } from './server.ts';
import { serverCheck, type PeerOptions, type ServerCheck } from './server-check.ts';

/** As much of the module as is needed; it is passed in, so that nobody has it who does not use it. */
export interface Grpc {
	readonly ServerCredentials: abstract new (...args: never[]) => object;
	readonly ChannelCredentials: (abstract new () => object) & {
		createFromSecureContext(context: SecureContext, verify: { checkServerIdentity: ServerCheck }): object;
	};
	readonly ServerInterceptingCall: new (call: never, responder?: { start(next: () => void): void }) => object;
}

export type ServerCredentialsOf<G extends Grpc> = InstanceType<G['ServerCredentials']>;
export type ChannelCredentialsOf<G extends Grpc> = InstanceType<G['ChannelCredentials']>;

interface UpdatableCredentials {
	updateSecureContextOptions(options: object): void;
}

/** Makes the TLS connections of one channel, for as long as the channel lives. */
interface SecureConnector {
	connect(socket: Socket): Promise<{ readonly socket: Socket }>;
	waitForReady(): Promise<void>;
	getCallCredentials(): unknown;
	destroy(): void;
}

/** What the library asks of credentials; a version without it is refused rather than left with the first identity for ever. */
interface Connecting {
	_createSecureConnector(...target: readonly unknown[]): SecureConnector;
}

/** A call before it is answered, as the library shows it to interceptors. */
interface InterceptedCall {
	getAuthContext(): { readonly sslPeerCertificate?: { readonly serialNumber: string } };
	sendStatus(status: { code: number; details: string }): void;
}

/** The gRPC status for a caller who is not authenticated. */
const UNAUTHENTICATED = 16;

/** Clients need a certificate of the same CA, and none that was revoked. */
export function serverCredentials<G extends Grpc>(watch: Followed, grpc: G): ServerCredentialsOf<G> {
	const Base = grpc.ServerCredentials as unknown as new (...args: unknown[]) => UpdatableCredentials;
	class IdentityServerCredentials extends Base {
		constructor() {
			const { requestCert, rejectUnauthorized, ...context } = serverOptions(watch.current);
			super({ requestCert, rejectUnauthorized }, context);
			requireMethod(this, 'updateSecureContextOptions');
			watch.on('change', (identity) => this.updateSecureContextOptions(identity.tlsOptions));
		}

		_equals(other: unknown): boolean {
			return this === other;
		}

		/** The library keeps its connections to itself, so whoever is revoked meanwhile is refused call by call. */
		_getInterceptors(): unknown[] {
			return [(_: unknown, call: InterceptedCall) => new grpc.ServerInterceptingCall(call as never, {
				start: (next) => {
					const serial = call.getAuthContext().sslPeerCertificate?.serialNumber.toLowerCase();
					if (serial !== undefined && !watch.current.isRevoked(serial)) next();
					else call.sendStatus({ code: UNAUTHENTICATED, details: 'the certificate of the caller was revoked' });
				},
			})];
		}
	}
	return new IdentityServerCredentials() as unknown as ServerCredentialsOf<G>;
}

export function channelCredentials<G extends Grpc>(watch: Followed, grpc: G, peer: PeerOptions['peer']): ChannelCredentialsOf<G> {
	const verify = { checkServerIdentity: serverCheck(peer) };
	const of = ({ secureContext }: Identity) => grpc.ChannelCredentials.createFromSecureContext(secureContext, verify) as Connecting;
	requireMethod(of(watch.current), '_createSecureConnector');

	class IdentityChannelCredentials extends (grpc.ChannelCredentials as unknown as new () => object) implements Connecting {
		_isSecure(): boolean {
			return true;
		}

		_equals(other: unknown): boolean {
			return this === other;
		}

		_createSecureConnector(...target: readonly unknown[]): SecureConnector {
			const first = of(watch.current)._createSecureConnector(...target);
			return {
				connect: async (socket) => {
					const connected = await of(watch.requireValid())._createSecureConnector(...target).connect(socket);
					watch.track(connected.socket);
					return connected;
				},
				waitForReady: () => first.waitForReady(),
				getCallCredentials: () => first.getCallCredentials(),
				destroy: () => first.destroy(),
			};
		}
	}
	return new IdentityChannelCredentials() as unknown as ChannelCredentialsOf<G>;
}

function requireMethod(credentials: object, name: string): void {
	if (!(name in credentials)) throw new BirthmarkError('usage', 'this version of @grpc/grpc-js has no credentials that can follow a rotation: use 1.13 or later');
}
