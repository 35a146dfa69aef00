/**
 * OCSP stapling on our own TLS listener (RFC 6066 §8): who connects gets an answer about the server's
 * certificate with it, and need not ask anybody.
 */

import { X509Certificate } from 'node:crypto';
import type { Server } from 'node:https';
import type { Logger } from '#common/runtime/log.ts';
import type { Ocsp, OcspReply } from '../revocation/ocsp.ts';

export interface StaplingDeps {
	readonly ocsp: Pick<Ocsp, 'staple'>;
	readonly clock: { now(): Date };
	readonly logger: Pick<Logger, 'warn'>;
}

interface Staple {
	readonly serial: string;
	readonly reply: Promise<OcspReply | undefined>;
	readonly madeAt: number;
}

/** Without this a revoked server certificate would pass until the answer ends. */
const REFRESH_MS = 60_000;
type Callback = (error: Error | null, response: Buffer | null) => void;

/** From now on every handshake that asks for a staple gets one; when none can be made the handshake goes on without. */
export function stapleTo(server: Server, { ocsp, clock, logger }: StaplingDeps): void {
	let staple: Staple | undefined;
	server.on('OCSPRequest', (certificate: Buffer, _issuer: Buffer, callback: Callback) => {
		const serial = new X509Certificate(certificate).serialNumber.toLowerCase();
		const now = clock.now().getTime();
		// Either way: a clock that was set back must not keep an old answer for ever.
		if (staple?.serial !== serial || Math.abs(now - staple.madeAt) >= REFRESH_MS) staple = { serial, reply: ocsp.staple(serial), madeAt: now };
		const { reply } = staple;
		reply.then(
			(made) => callback(null, made?.der ?? null),
			(error: unknown) => {
				if (staple?.reply === reply) staple = undefined;
				logger.warn('no OCSP answer to staple', { error });
				callback(null, null);
			},
		);
	});
}
