import test, { type ExecutionContext } from 'ava';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCaClient } from '../../../agent/ca-client.ts';
import { enrol } from '../../../agent/enrol.ts';
import { systemSleep } from '../../../agent/sleep.ts';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { badCertificates, forClientsOnly } from '../../fakes/bad-certificates.ts';
import { createPki, FakeCa, type Fault } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();
const otherPki = await createPki('Other');

async function prepare(t: ExecutionContext, { directory = tmpfsDirectory(t), impostor = undefined as typeof pki | undefined, timeoutSeconds = 60 } = {}) {
	const ca = await FakeCa.start(t, pki, impostor);
	const tokenPath = join(directory, 'token');
	const token = ca.mintToken();
	writeFileSync(tokenPath, token, { mode: 0o400 });
	const abort = new AbortController();
	const deps = { ca: createCaClient([ca.address]), clock: systemClock, random: () => 0, sleep: systemSleep, logger: silentLogger };
	return { ca, directory, token, tokenPath, abort, deps, run: () => enrol({ directory, tokenPath, timeoutSeconds, signal: abort.signal }, deps) };
}

/** Fails with the code, publishes nothing and keeps the token. */
async function refuses(t: ExecutionContext, { run, directory, tokenPath }: Awaited<ReturnType<typeof prepare>>, code: ErrorCode): Promise<BirthmarkError> {
	const error = await t.throwsAsync(run(), { instanceOf: BirthmarkError });
	t.is(error.code, code, error.message);
	t.deepEqual(readdirSync(directory), ['token']);
	t.true(existsSync(tokenPath));
	t.false(error.message.includes(readFileSync(tokenPath, 'utf8').slice(0, 20)));
	return error;
}

test('a token becomes a published identity and is gone', async (t) => {
	const { ca, directory, tokenPath, run } = await prepare(t);
	const { leaf } = await run();
	t.is(leaf.spiffeId, 'spiffe://birthmark.internal/production/web-api/api01');
	t.false(existsSync(tokenPath));
	const pem = readFileSync(join(directory, 'identity.pem'), 'utf8');
	t.true(new X509Certificate(pem).checkPrivateKey(createPrivateKey(pem)));
	t.deepEqual(readFileSync(join(directory, 'ca.crt')), pki.bundle);
	t.is(readFileSync(join(directory, 'tls.key'), 'utf8') + readFileSync(join(directory, 'tls.crt'), 'utf8'), pem);
	t.is(statSync(join(directory, 'identity.pem')).mode & 0o777, 0o600);
	t.is(statSync(join(directory, 'tls.key')).mode & 0o777, 0o600);
	t.is(statSync(join(directory, 'tls.crt')).mode & 0o777, 0o644);
	t.deepEqual(ca.seen.map(({ route }) => route), ['roots', 'sign']);
});

test('a token that was minted just before the bundle changed is still good', async (t) => {
	const { ca, directory, run } = await prepare(t);
	ca.publish(Buffer.concat([pki.bundle, otherPki.bundle]));
	await run();
	t.deepEqual(readFileSync(join(directory, 'ca.crt')), pki.bundle);
});

test('the token travels in a header, never in a URL', async (t) => {
	const { ca, run } = await prepare(t);
	await run();
	t.deepEqual(ca.seen.map(({ url, hasBearer }) => [url, hasBearer]), [[`/v1/roots?digest=${bundleDigest(pki.bundle).toString('hex')}`, false], ['/v1/sign', true]]);
});

/** As the plugin leaves its bundle on the volume. */
function offer(directory: string, bundle: Buffer): void {
	writeFileSync(join(directory, 'agent.json'), JSON.stringify({ version: 1, ca: { way: 'relay' }, bundle: bundle.toString() }));
}

test('a trust bundle on the volume with the digest that the token carries spares a question', async (t) => {
	const { ca, directory, run } = await prepare(t);
	offer(directory, pki.bundle);
	await run();
	t.deepEqual(readFileSync(join(directory, 'ca.crt')), pki.bundle);
	t.deepEqual(ca.seen.map(({ route }) => route), ['sign']);
});

test('another trust bundle on the volume is not believed: the CA is asked for the token\'s', async (t) => {
	for (const bundle of [otherPki.bundle, Buffer.concat([pki.bundle, otherPki.bundle]), Buffer.alloc(0)]) {
		const { ca, directory, run } = await prepare(t);
		offer(directory, bundle);
		await run();
		t.deepEqual(readFileSync(join(directory, 'ca.crt')), pki.bundle);
		t.deepEqual(ca.seen.map(({ route }) => route), ['roots', 'sign']);
	}
});

test('a server without a certificate under the bundle on the volume never sees the token, and its clock is looked at', async (t) => {
	const { ca, directory, run } = await prepare(t, { impostor: otherPki });
	offer(directory, pki.bundle);
	const error = await t.throwsAsync(run(), { instanceOf: BirthmarkError });
	t.is(error.code, 'ca-protocol');
	t.deepEqual(ca.seen.map(({ route }) => route), ['roots']);
	const wrong = await prepare(t, { impostor: otherPki });
	offer(wrong.directory, pki.bundle);
	wrong.ca.clockOffsetSeconds = 600;
	const skewed = await t.throwsAsync(wrong.run(), { instanceOf: BirthmarkError });
	t.is(skewed.code, 'clock-skew');
	t.is(wrong.ca.count('sign'), 0);
});

test('a directory on a disk is refused before anything is asked', async (t) => {
	const directory = mkdtempSync(join(tmpdir(), 'birthmark-test-'));
	t.teardown(() => rmSync(directory, { recursive: true }));
	const prepared = await prepare(t, { directory });
	await refuses(t, prepared, 'directory-not-tmpfs');
	t.is(prepared.ca.seen.length, 0);
});

test('a missing token is named', async (t) => {
	const { tokenPath, run } = await prepare(t);
	rmSync(tokenPath);
	const error = await t.throwsAsync(run(), { instanceOf: BirthmarkError });
	t.is(error.code, 'token-missing');
});

test('a token that breaks the grammar is not sent anywhere', async (t) => {
	const prepared = await prepare(t);
	rmSync(prepared.tokenPath);
	writeFileSync(prepared.tokenPath, 'BMKTKN-1-nonsense-with-some-length');
	await refuses(t, prepared, 'token-malformed');
	t.is(prepared.ca.seen.length, 0);
});

test('a bundle with another digest is refused and the token is not sent', async (t) => {
	const prepared = await prepare(t);
	prepared.ca.faults.roots.push({ kind: 'body', body: otherPki.bundle.toString() });
	await refuses(t, prepared, 'bundle-digest-mismatch');
	t.is(prepared.ca.count('sign'), 0);
});

test('a bundle with an extra root is refused', async (t) => {
	const prepared = await prepare(t);
	prepared.ca.faults.roots.push({ kind: 'body', body: pki.bundle.toString() + otherPki.bundle.toString() });
	await refuses(t, prepared, 'bundle-digest-mismatch');
});

test('a server that has the right bundle but no certificate under it never sees the token', async (t) => {
	const prepared = await prepare(t, { impostor: otherPki });
	await refuses(t, prepared, 'ca-protocol');
	t.is(prepared.ca.count('sign'), 0);
});

for (const [what, fault] of badCertificates(pki, otherPki)) {
	test(`a certificate ${what} is not published`, async (t) => {
		const prepared = await prepare(t);
		prepared.ca.faults.sign.push(fault());
		await refuses(t, prepared, 'certificate-invalid');
	});
}

test('a certificate for clients only is published', async (t) => {
	const prepared = await prepare(t);
	prepared.ca.faults.sign.push(forClientsOnly);
	t.deepEqual((await prepared.run()).leaf.dnsNames, []);
});

test('an answer without its end does not grow beyond the limit', async (t) => {
	const prepared = await prepare(t);
	prepared.ca.faults.sign.push({ kind: 'body', body: 'x'.repeat(70 * 1024) });
	await refuses(t, prepared, 'ca-protocol');
});

test('what the CA refuses is final and keeps its code and sentence', async (t) => {
	const prepared = await prepare(t);
	prepared.ca.faults.sign.push({ kind: 'problem', status: 410, code: 'token-expired', detail: 'the token expired 3 s ago' });
	const error = await refuses(t, prepared, 'token-expired');
	t.is(error.message, 'the token expired 3 s ago');
	t.is(prepared.ca.count('sign'), 1);
});

test('an answer by something that is not our CA is told from a refusal', async (t) => {
	const prepared = await prepare(t);
	prepared.ca.faults.roots.push({ kind: 'body', status: 404, body: '<html>not found</html>' });
	await refuses(t, prepared, 'ca-protocol');
});

test('a CA that is busy for a moment is asked again', async (t) => {
	const { ca, run } = await prepare(t);
	const busy: Fault = { kind: 'problem', status: 503, code: 'internal' };
	ca.faults.roots.push(busy);
	ca.faults.sign.push(busy, busy);
	t.is((await run()).leaf.dnsNames[0], 'api01');
	t.is(ca.count('sign'), 3);
});

test('a lost answer costs nothing: the same key asks again and gets the same certificate', async (t) => {
	const { ca, run } = await prepare(t);
	ca.faults.sign.push({ kind: 'lost-answer' });
	await run();
	const [first, second] = ca.seen.filter(({ route }) => route === 'sign');
	t.is(first!.publicKeyHash, second!.publicKeyHash);
});

test('a CA that stays away ends the attempt at the deadline', async (t) => {
	const prepared = await prepare(t, { timeoutSeconds: 1 });
	const busy: Fault = { kind: 'problem', status: 503, code: 'internal' };
	prepared.ca.faults.roots.push(...Array.from({ length: 50 }, () => busy));
	await refuses(t, prepared, 'ca-unavailable');
});

for (const [offset, way] of [[600, 'behind'], [-600, 'ahead of']] as const) {
	test(`a clock ${way} the CA's is named with the difference, before the token is spent`, async (t) => {
		const prepared = await prepare(t);
		prepared.ca.clockOffsetSeconds = offset;
		const error = await refuses(t, prepared, 'clock-skew');
		t.regex(error.message, new RegExp(`(59[0-9]|60[0-9]) s ${way} the CA's`));
		t.is(prepared.ca.count('sign'), 0);
	});
}

test('a token that lies where nothing can be removed is no obstacle', async (t) => {
	const { directory, tokenPath, deps, abort } = await prepare(t);
	const file = openSync(tokenPath, 'r');
	t.teardown(() => closeSync(file));
	const warnings: string[] = [];
	const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
	// Not even root removes anything in /proc.
	await enrol({ directory, tokenPath: `/proc/self/fd/${file}`, timeoutSeconds: 60, signal: abort.signal }, { ...deps, logger });
	t.true(existsSync(join(directory, 'identity.pem')));
	t.deepEqual(warnings, ['the redeemed token could not be removed']);
});

test('an identity that is there already is used, and the left-over token removed', async (t) => {
	const { ca, run, tokenPath, token } = await prepare(t);
	const first = await run();
	writeFileSync(tokenPath, token);
	const second = await run();
	t.is(second.leaf.serial, first.leaf.serial);
	t.is(ca.count('sign'), 1);
	t.false(existsSync(tokenPath));
});

test('an identity that was damaged is replaced with the help of a new token', async (t) => {
	const { ca, run, directory, tokenPath } = await prepare(t);
	const first = await run();
	writeFileSync(join(directory, 'tls.crt'), 'damaged');
	writeFileSync(tokenPath, ca.mintToken());
	t.not((await run()).leaf.serial, first.leaf.serial);
});

test('an interruption ends the attempt with its own reason', async (t) => {
	const { ca, abort, run } = await prepare(t);
	ca.faults.sign.push({ kind: 'silence' });
	const reason = new Error('stop');
	const running = run();
	const poll = setInterval(() => ca.count('sign') === 1 && abort.abort(reason), 5);
	t.teardown(() => clearInterval(poll));
	t.is(await t.throwsAsync(running), reason);
});
