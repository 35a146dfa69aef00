/**
 * Which certificate the application serves: one TLS handshake with it, the container's own identity in
 * hand for servers that want to know who asks. It is not trusted and nothing is sent to it: what it
 * presents is compared byte for byte with what was issued.
 */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { ReloadOutcome } from '#common/protocol/messages.ts';
import type { ServedAddress, StartTls } from '#common/protocol/reload.ts';
import type { Identity } from './identity.ts';
import { lately } from './lately.ts';

export interface Finding {
	readonly outcome: ReloadOutcome;
	/** half a sentence about the application */
	readonly sentence: string;
	/** of a mismatch, hexadecimal in lower case; none when it is no legal one */
	readonly servedSerial?: string;
}

const TIMEOUT_MS = 5_000;
/** What a CA may number with (RFC 5280 §4.1.2.2); self-made certificates have 0 and others, which no report can hold. */
const SERIAL = /^[0-9a-f]{2,40}$/;
/** For the goodbye, so that the application does not log a connection that broke off. */
const LINGER_MS = 1_000;
const NOT_LISTENING: readonly string[] = ['ECONNREFUSED', 'EADDRNOTAVAIL', 'ENETUNREACH', 'EHOSTUNREACH'];
/** What OpenSSL and BoringSSL say about bytes that are no TLS record. */
const NO_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|HTTPS_PROXY_REQUEST|UNEXPECTED_MESSAGE|UNKNOWN_PROTOCOL|RECORD_TOO_(?:LARGE|SMALL)/;

/** Never throws but the signal's reason: that it cannot be looked at is a finding too. */
export async function probe({ host, port, serverName, startTls }: ServedAddress, identity: Identity, signal: AbortSignal, timeoutMs = TIMEOUT_MS): Promise<Finding> {
	const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
	const deadline = AbortSignal.timeout(timeoutMs);
	const ended = AbortSignal.any([signal, deadline]);
	let step: Step = 'connect';
	const socket = lately('node:net').connect({ host, port });
	// Whatever comes after the answer is nobody's business any more.
	socket.on('error', () => {});
	try {
		await once(socket, 'connect', { signal: ended });
		step = 'before TLS';
		if (startTls !== undefined) await PROLOGUES[startTls](socket, ended);
		step = 'handshake';
		const served = await servedCertificate(socket, identity, serverName ?? identity.leaf.dnsNames[0], ended);
		if (served.raw.equals(new X509Certificate(identity.chain).raw)) return { outcome: 'verified', sentence: 'it serves the new certificate' };
		const servedSerial = served.serialNumber.toLowerCase();
		return { outcome: 'mismatch', sentence: `at ${where} it serves another certificate, ${servedSerial}`, ...(SERIAL.test(servedSerial) && { servedSerial }) };
	} catch (error) {
		if (signal.aborted) throw signal.reason;
		return describeFailure(error, step, where, deadline.aborted ? timeoutMs : undefined);
	} finally {
		setTimeout(() => socket.destroy(), LINGER_MS).unref();
	}
}

type Step = 'connect' | 'before TLS' | 'handshake';

class Declined extends Error {}

/** What is said before the handshake, by the protocol that runs inside. @throws Declined when there will be no TLS */
const PROLOGUES: Readonly<Record<StartTls, (socket: Socket, signal: AbortSignal) => Promise<void>>> = {
	/** SSLRequest: length 8, code 80877103; the answer is S or N (PostgreSQL, "SSL Session Encryption"). */
	async postgres(socket, signal) {
		const answered = once(socket, 'data', { signal }) as Promise<[Buffer]>;
		socket.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
		const [answer] = await Promise.race([answered, once(socket, 'end', { signal }).then((): [Buffer] => [Buffer.alloc(0)])]);
		if (answer.toString('latin1') !== 'S') throw new Declined();
		socket.pause();
	},
};

/** In the moment of the handshake: a server that refuses the client afterwards has shown what it serves. */
function servedCertificate(socket: Socket, { key, chain, bundle }: Identity, serverName: string | undefined, signal: AbortSignal): Promise<X509Certificate> {
	return new Promise((resolve, reject) => {
		// The bundle only keeps the runtime from loading all the roots that it knows.
		const tls = lately('node:tls').connect({ socket, key, cert: chain, ca: bundle, rejectUnauthorized: false, ...(serverName !== undefined && { servername: serverName }) });
		tls.on('error', reject);
		tls.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
		signal.addEventListener('abort', () => reject(signal.reason), { once: true });
		tls.once('secureConnect', () => {
			const served = tls.getPeerX509Certificate();
			if (served) resolve(served);
			else reject(new Error('it presents no certificate'));
			tls.end();
		});
	});
}

function describeFailure(error: unknown, step: Step, where: string, timedOutAfterMs: number | undefined): Finding {
	const code = error instanceof Error && 'code' in error ? String(error.code) : '';
	if (timedOutAfterMs !== undefined) {
		const who = step === 'connect' ? 'nobody answers' : 'somebody listens and does not answer';
		return { outcome: 'no-answer', sentence: `at ${where} ${who} within ${timedOutAfterMs / 1000} s` };
	}
	if (step === 'connect') {
		return { outcome: NOT_LISTENING.includes(code) ? 'not-listening' : 'no-answer', sentence: `nothing can be reached at ${where} (${code}): does it listen there, and is birthmark.port right?` };
	}
	if (error instanceof Declined) return { outcome: 'no-tls', sentence: `at ${where} it answers that it has no TLS` };
	if (NO_TLS.test(code)) return { outcome: 'no-tls', sentence: `what answers at ${where} does not speak TLS` };
	if (/ALERT/.test(code)) return { outcome: 'handshake-failed', sentence: `at ${where} it refuses the TLS handshake (${code}): does it accept the container's own certificate from a client?` };
	return { outcome: 'handshake-failed', sentence: `at ${where} it ends the connection during the TLS handshake (${code || String(error)}): does it accept the container's own certificate from a client?` };
}
