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
	readonly reply: OcspReply | undefined;
	/** when it was asked for, milliseconds */
	readonly madeAt: number;
}

/** Without this a revoked server certificate would pass until the answer ends. No answer ends sooner after it was made. */
const REFRESH_MS = 30_000;
/** How long a handshake waits for a new answer: a store that is away should not keep everybody from connecting. */
const PATIENCE_MS = 1000;
type Callback = (error: Error | null, response: Buffer | null) => void;

/** From now on every handshake that asks for a staple gets one; when none can be made the handshake goes on without. */
export function stapleTo(server: Server, { ocsp, clock, logger }: StaplingDeps): void {
	let last: Staple | undefined;
	let making: { readonly serial: string; readonly done: Promise<void> } | undefined;
	const make = async (serial: string): Promise<void> => {
		const madeAt = clock.now().getTime();
		try {
			last = { serial, reply: await ocsp.staple(serial), madeAt };
		} catch (error) {
			logger.warn('no OCSP answer to staple', { error });
		} finally {
			if (making?.serial === serial) making = undefined;
		}
	};
	/** @returns the last answer about this certificate, unless it has ended */
	const known = (serial: string): Buffer | null => {
		const now = clock.now();
		const reply = last?.serial === serial ? last.reply : undefined;
		return reply?.validity && reply.validity.thisUpdate <= now && now < reply.validity.nextUpdate ? reply.der : null;
	};
	server.on('OCSPRequest', (certificate: Buffer, _issuer: Buffer, callback: Callback) => {
		const serial = new X509Certificate(certificate).serialNumber.toLowerCase();
		// Either way: a clock that was set back must not keep an old answer for ever.
		if (last?.serial === serial && Math.abs(clock.now().getTime() - last.madeAt) < REFRESH_MS) return callback(null, known(serial));
		if (making?.serial !== serial) making = { serial, done: make(serial) };
		const patience = new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
		void Promise.race([making.done, patience]).then(() => callback(null, known(serial)));
	});
}
