/**
 * Credentials for `@grpc/grpc-js` that follow the identity. The library's own for changing
 * certificates (experimental) know no revocation lists, so these are classes of its credentials.
 */

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Identity } from './identity.ts';
import { serverOptions, type Followed } from './server.ts';
import { serverCheck, type PeerOptions, type ServerCheck } from './server-check.ts';

/** As much of the module as is needed; it is passed in, so that nobody has it who does not use it. */
export interface Grpc {
	readonly ServerCredentials: abstract new (...args: never[]) => object;
	readonly ChannelCredentials: (abstract new () => object) & {
		createFromSecureContext(context: SecureContext, verify: { checkServerIdentity: ServerCheck }): object;
	};
}

export type ServerCredentialsOf<G extends Grpc> = InstanceType<G['ServerCredentials']>;
export type ChannelCredentialsOf<G extends Grpc> = InstanceType<G['ChannelCredentials']>;

interface UpdatableCredentials {
	updateSecureContextOptions(options: object): void;
}

/** Makes the TLS connections of one channel, for as long as the channel lives. */
interface SecureConnector {
	connect(socket: Socket): Promise<unknown>;
	waitForReady(): Promise<void>;
	getCallCredentials(): unknown;
	destroy(): void;
}

/** What the library asks of credentials; a version without it is refused rather than left with the first identity for ever. */
interface Connecting {
	_createSecureConnector(...target: readonly unknown[]): SecureConnector;
}

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
	}
	return new IdentityServerCredentials() as unknown as ServerCredentialsOf<G>;
}

export function channelCredentials<G extends Grpc>(watch: { requireValid(): Identity; readonly current: Identity }, grpc: G, options?: PeerOptions): ChannelCredentialsOf<G> {
	const verify = { checkServerIdentity: serverCheck(options) };
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
				connect: async (socket) => of(watch.requireValid())._createSecureConnector(...target).connect(socket),
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
