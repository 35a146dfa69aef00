/**
 * A clock that is set back and forth, far and often, in no order: a random walk through a whole CA,
 * over its admin socket, because TLS itself looks at the machine's clock. Longer in `make soak`.
 */

import test from 'ava';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { createAuditVerifier, type AuditRecord } from '#common/protocol/audit-chain.ts';
import type { IdentityList } from '#common/protocol/messages.ts';
import { DerReader } from '#common/x509/der-reader.ts';
import { movableClock, newKey, startCa, type KeyPair, type TestCa } from '../../support/ca.ts';
import { crlNumber } from '../../soak/load.ts';
import { seededRandom } from '../../soak/random.ts';
import { addUser } from '../../support/user.ts';

const STEPS = Number(process.env['BIRTHMARK_SOAK_CLOCK_STEPS'] ?? 150);
const HOUR = 3600;
const DAY = 24 * HOUR;
const TOKEN_SECONDS = 600;

/** A token that a user signed, and what became of it; milliseconds. */
interface Signed {
	readonly token: string;
	readonly signedAt: number;
	readonly expiresAt: number;
	used: boolean;
}

test('with a clock that is set back and forth, serials, CRL numbers and expiries stay right, and no token is good twice', async (t) => {
	t.timeout(60_000 + STEPS * 1000);
	const { random, seed } = seededRandom();
	const pick = <T>(values: readonly T[]): T | undefined => values[Math.floor(random() * values.length)];
	const clock = movableClock();
	const start = clock.now().getTime();
	let ca = await startCa(t, { clock, config: { redemptionWindowSeconds: 0, retention: { expiredDays: 1 } } });
	const alice = await addUser(ca, 'alice', ['*/*'], 'ES256', clock.now);
	const tokens: Signed[] = [];
	/** by serial number, when it ends */
	const issued = new Map<string, number>();
	const revoked = new Set<string>();
	let lastCrl = 0;

	const enrol = async (signed: Signed, key: KeyPair): Promise<void> => {
		const now = clock.now().getTime();
		const { status, text } = await overSocket(ca, signed.token, key);
		if (status !== 200) {
			// What was forgotten while the clock was ahead may have been the use of this one: then it is not good any more.
			if (!signed.used && signed.signedAt <= now && now < signed.expiresAt) t.is(JSON.parse(text).code, 'token-expired', `a good token was refused: ${text}, seed ${seed}`);
			return;
		}
		t.false(signed.used, `a token was good twice, seed ${seed}`);
		t.true(now < signed.expiresAt, `a token was good after its end, seed ${seed}`);
		signed.used = true;
		const leaf = new X509Certificate(text);
		const serial = leaf.serialNumber.toLowerCase();
		t.regex(serial, /^[4-7][0-9a-f]{31}$/);
		t.false(issued.has(serial), `a serial number came twice, seed ${seed}`);
		const [notBefore, notAfter] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
		issued.set(serial, notAfter);
		t.true(notBefore <= now && now < notAfter && notAfter - now <= DAY * 1000, `not valid when it was issued, seed ${seed}`);
	};
	const steps: readonly (() => Promise<void>)[] = [
		async () => clock.advance(Math.floor((random() - 0.5) * 2 * pick([10, HOUR, 10 * DAY])!)),
		async () => {
			const iat = Math.floor(clock.now().getTime() / 1000);
			const token = await alice.token({ sub: `c${tokens.length}`, iat, nbf: iat, exp: iat + TOKEN_SECONDS });
			const signed = { token, signedAt: iat * 1000, expiresAt: (iat + TOKEN_SECONDS) * 1000, used: false };
			tokens.push(signed);
			if (random() < 0.8) await enrol(signed, newKey());
		},
		async () => {
			const again = pick(tokens);
			if (again) await enrol(again, newKey());
		},
		async () => {
			const serial = pick([...issued.keys()]);
			if (serial === undefined) return;
			const { status } = await ca.admin('POST', '/v1/revoke', { serial });
			t.is(status, 200);
			// What ended more than a week ago by this clock is not revoked any more; what was revoked stays so.
			if ((await statusOf(ca, serial)) === 'revoked') revoked.add(serial);
		},
		async () => {
			const { body } = await ca.admin('GET', '/v1/crl');
			const number = crlNumber(body);
			t.true(number >= lastCrl, `the CRL number went from ${lastCrl} to ${number}, seed ${seed}`);
			lastCrl = number;
			const now = clock.now().getTime();
			const { thisUpdate, nextUpdate } = datesOf(body);
			t.true(thisUpdate.getTime() <= now && now < nextUpdate.getTime(), `a list that does not hold now, seed ${seed}`);
			for (const serial of revoked) if (issued.get(serial)! > now) t.true(body.includes(Buffer.from(serial, 'hex')), `a revoked certificate is not on the list, seed ${seed}`);
		},
		async () => {
			for (const serial of revoked) t.is(await statusOf(ca, serial), 'revoked', `seed ${seed}`);
		},
		async () => {
			await ca.lookAfter();
			const served = await servedCertificate(ca.port);
			const now = clock.now();
			t.true(served.validFromDate <= now && now < served.validToDate, `a server certificate that does not hold now, seed ${seed}`);
		},
		async () => {
			if (random() < 0.8) return;
			await ca.close();
			ca = await startCa(t, { clock, state: ca.state });
		},
	];
	for (let step = 0; step < STEPS; step++) {
		await pick(steps)!();
		// Before the CA was made its own certificates are not valid yet.
		if (clock.now().getTime() < start) clock.advance((start - clock.now().getTime()) / 1000);
	}
	const verifier = createAuditVerifier();
	for (let more = true; more;) {
		const { records } = (await ca.admin('GET', `/v1/audit?after=${verifier.head.sequence}`)).json<{ records: AuditRecord[] }>();
		for (const record of records) t.is(verifier.take(record), undefined);
		more = records.length > 0;
	}
	t.log(`seed ${seed}: ${tokens.length} tokens, ${issued.size} certificates, ${revoked.size} revoked, CRL number ${lastCrl}, ${verifier.head.sequence} audit records`);
});

function overSocket(ca: TestCa, token: string, key: KeyPair) {
	return ca.request('POST', '/v1/csr', { overAdminSocket: true, headers: { 'x-auth-token': token }, body: key.csr() });
}

async function statusOf(ca: TestCa, serial: string): Promise<string | undefined> {
	return (await ca.admin('GET', `/v1/identities/${serial}`)).json<IdentityList>().identities[0]?.status;
}

/** thisUpdate and nextUpdate of a list in DER (RFC 5280 §5.1.2). */
function datesOf(der: Buffer): { thisUpdate: Date; nextUpdate: Date } {
	const tbs = new DerReader(der).sequence().sequence();
	for (let field = 0; field < 3; field++) tbs.raw();
	return { thisUpdate: tbs.time(), nextUpdate: tbs.time() };
}

async function servedCertificate(port: number): Promise<X509Certificate> {
	const socket = connect({ port, host: '127.0.0.1', servername: 'birthmark-ca', rejectUnauthorized: false });
	await once(socket, 'secureConnect');
	const certificate = socket.getPeerX509Certificate()!;
	socket.destroy();
	return certificate;
}
