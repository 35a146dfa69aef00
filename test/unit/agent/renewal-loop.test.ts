import test, { type ExecutionContext } from 'ava';
import { getEventListeners } from 'node:events';
import { readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import type { LogFields } from '#common/runtime/log.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { createCaClient } from '../../../agent/ca-client.ts';
import { keepRenewed, renewalInstant } from '../../../agent/renewal-loop.ts';
import { renew } from '../../../agent/renew.ts';
import { publish, readIdentity } from '../../../agent/store.ts';
import { fakeDemands } from '../../fakes/demands.ts';
import { createPki, FakeCa, issueLeaf, leafDefaults, serialOf, type LeafInput } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();
const otherPki = await createPki('Other');
const lifetimeSeconds = 3600;

type Answer = Partial<LeafInput> | ErrorCode;

/**
 * An agent with an identity of one hour, a CA that gives the scripted answers, and a clock that
 * runs as fast as the agent sleeps. The loop is stopped when the script is at its end.
 */
async function agent(t: ExecutionContext, script: Answer[]) {
	const directory = tmpfsDirectory(t);
	const key = generateSigningKey();
	// Certificates know no fractions of a second, and how long it takes to make this one is not to count.
	const start = Math.floor(Date.now() / 1000) * 1000;
	const chain = await issueLeaf({ ...leafDefaults('api01', pki, lifetimeSeconds), notAfter: new Date(start + lifetimeSeconds * 1000), publicKey: key.publicKey });
	publish(directory, { key: exportSigningKey(key), chain, bundle: pki.bundle });
	const stop = new AbortController();
	const logged: Array<{ level: string; message: string; fields: LogFields | undefined }> = [];
	const log = (level: string) => (message: string, fields?: LogFields) => void logged.push({ level, message, fields });
	let now = start;
	/** seconds since the start at which the CA was asked */
	const attempts: number[] = [];
	const demands = fakeDemands();
	const deps = {
		bundleCheckSeconds: 600,
		watchDemands: () => demands,
		clock: { now: () => new Date(now) },
		random: () => 0.5,
		async sleep(milliseconds: number, signal: AbortSignal) {
			if (script.length === 0) stop.abort(new Error('end of the script'));
			if (signal.aborted) throw signal.reason;
			now += milliseconds;
		},
		logger: { info: log('info'), warn: log('warn'), error: log('error') },
		ca: {
			changedBundle: async (): Promise<Buffer | undefined> => undefined,
			acknowledge: async () => undefined,
			async renew(bundle: Buffer, credentials: { chain: string }, csr: string) {
				t.deepEqual(bundle, pki.bundle);
				t.is(credentials.chain, readIdentity(directory)!.chain);
				attempts.push(Math.round((now - start) / 1000));
				const answer = script.shift() ?? 'internal';
				if (typeof answer === 'string') throw new BirthmarkError(answer);
				const { publicKey } = verifyCsr(Buffer.from(csr));
				return { chain: await issueLeaf({ ...leafDefaults('api01', pki, lifetimeSeconds), publicKey, ...answer }), date: new Date(now) };
			},
		},
	};
	return { directory, first: serialOf(chain), attempts, logged, demands, deps, stop, run: () => keepRenewed(directory, stop.signal, deps) };
}

test('renewal comes between 50 and 80 % of the time that is left', (t) => {
	const now = new Date('2030-01-01T00:00:00Z');
	const notAfter = new Date('2030-01-01T01:40:00Z');
	const minutes = (random: number) => (renewalInstant(now, notAfter, () => random).getTime() - now.getTime()) / 60_000;
	t.is(minutes(0), 50);
	t.is(minutes(0.5), 65);
	t.is(Math.round(minutes(0.999999)), 80);
});

test('an identity is renewed with a fresh key, again and again', async (t) => {
	const { directory, first, attempts, run } = await agent(t, [{}, {}]);
	const keyBefore = readFileSync(join(directory, 'tls.key'), 'utf8');
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.not(readIdentity(directory)!.leaf.serial, first);
	t.not(readFileSync(join(directory, 'tls.key'), 'utf8'), keyBefore);
	t.true(Math.abs(attempts[0]! - lifetimeSeconds * 0.65) <= 1);
	t.is(attempts.length, 2);
});

test('a suspended machine renews when it wakes, however long the timer would have run', async (t) => {
	const { attempts, deps, run } = await agent(t, [{}]);
	const { sleep } = deps;
	const longest: number[] = [];
	deps.sleep = async (milliseconds, signal) => {
		longest.push(milliseconds);
		// The first sleep is a suspend: the clock moves on by half an hour meanwhile.
		await sleep(longest.length === 1 ? 40 * 60_000 : milliseconds, signal);
	};
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.is(attempts[0], 40 * 60);
	t.true(Math.max(...longest) <= 60_000);
});

test('the identity stays when the CA is away, and is renewed when it is back', async (t) => {
	const { directory, first, attempts, logged, run } = await agent(t, ['ca-unavailable', 'ca-unavailable', 'ca-unavailable', {}]);
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.not(readIdentity(directory)!.leaf.serial, first);
	const pauses = attempts.slice(1, 4).map((at, index) => at - attempts[index]!);
	t.true(pauses[0]! <= 5 && pauses[0]! < pauses[1]! && pauses[1]! < pauses[2]!, `${pauses}`);
	t.deepEqual(logged.map(({ level }) => level), ['info', 'info', 'info', 'info'], 'nobody is alarmed by an outage that is over in time');
});

test('a CA that is still away when a tenth of the life is left is worth a warning', async (t) => {
	const { attempts, logged, run } = await agent(t, Array.from({ length: 12 }, () => 'ca-unavailable' as const));
	await t.throwsAsync(run(), { message: 'end of the script' });
	const left = (index: number) => lifetimeSeconds - attempts[index]!;
	for (const [index, { level }] of logged.entries()) t.is(level, left(index) > lifetimeSeconds / 10 ? 'info' : 'warn', `${left(index)} s were left`);
	t.true(logged.some(({ level }) => level === 'warn') && logged.some(({ level }) => level === 'info'));
});

test('an agent renews at once when it is told which certificate to replace, and once for each time', async (t) => {
	const { directory, first, attempts, demands, deps, run } = await agent(t, [{}]);
	const { sleep } = deps;
	let slept = 0;
	deps.sleep = async (milliseconds, signal) => {
		if (++slept !== 2) return sleep(milliseconds, signal);
		demands.demand(first);
		throw signal.reason;
	};
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.not(readIdentity(directory)!.leaf.serial, first);
	t.is(attempts.length, 1);
	t.true(attempts[0]! <= 60);
	t.true(demands.isClosed());
});

test('a demand for what another process has published meanwhile is obeyed', async (t) => {
	const { directory, first, attempts, demands, deps, stop, run } = await agent(t, [{}, {}]);
	const { sleep } = deps;
	let slept = 0;
	deps.sleep = async (milliseconds, signal) => {
		if (++slept !== 2) return sleep(milliseconds, signal);
		const { leaf } = await renew(directory, stop.signal, deps);
		t.not(leaf.serial, first);
		demands.demand(leaf.serial);
		throw signal.reason;
	};
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.is(attempts.length, 2);
	t.is(attempts[1], attempts[0]);
});

test('what was demanded before the agent began is done first', async (t) => {
	const { first, attempts, demands, run } = await agent(t, [{}]);
	demands.demand(first);
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.is(attempts[0], 0);
});

test('a demand for a certificate that was replaced meanwhile, or never was this one, changes nothing', async (t) => {
	const { attempts, demands, deps, run } = await agent(t, [{}]);
	const { sleep } = deps;
	let slept = 0;
	deps.sleep = async (milliseconds, signal) => {
		if (++slept !== 1) return sleep(milliseconds, signal);
		demands.demand('00112233445566778899aabbccddeeff');
		throw signal.reason;
	};
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.true(Math.abs(attempts[0]! - lifetimeSeconds * 0.65) <= 60, `${attempts}`);
});

test('a demand ends the pause after a failure, and is not obeyed in a loop', async (t) => {
	const { first, attempts, demands, deps, run } = await agent(t, ['ca-unavailable', 'ca-unavailable', {}]);
	const { sleep } = deps;
	deps.sleep = async (milliseconds, signal) => {
		if (attempts.length !== 1) return sleep(milliseconds, signal);
		demands.demand(first);
		throw signal.reason;
	};
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.is(attempts[1], attempts[0]);
	t.true(attempts[2]! > attempts[1]!);
});

test('a machine that was suspended past the end says what to do, once', async (t) => {
	const { attempts, deps, logged, run } = await agent(t, ['ca-unavailable', 'ca-unavailable', 'ca-unavailable']);
	const { sleep } = deps;
	let slept = 0;
	deps.sleep = (milliseconds, signal) => sleep(++slept === 1 ? 2 * lifetimeSeconds * 1000 : milliseconds, signal);
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.is(attempts[0], 2 * lifetimeSeconds);
	t.is(attempts.length, 3);
	const said = logged.filter(({ level }) => level !== 'info');
	t.is(said.length, 1);
	t.is(said[0]!.level, 'error');
	t.regex(said[0]!.message, /docker restart/);
});

test('a CA that does not hear this address for a while is asked again', async (t) => {
	const { directory, first, logged, run } = await agent(t, ['source-shut-out', {}]);
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.not(readIdentity(directory)!.leaf.serial, first);
	t.deepEqual(logged.filter(({ level }) => level === 'error'), []);
});

test('an identity that expires while the CA is away is tried for until its last seconds, then the log says what to do', async (t) => {
	const { directory, first, attempts, logged, run } = await agent(t, Array.from({ length: 40 }, () => 'ca-unavailable' as const));
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.is(readIdentity(directory)!.leaf.serial, first);
	t.true(attempts.some((at) => at >= lifetimeSeconds - 2 && at < lifetimeSeconds));
	const { level, message, fields } = logged.at(-1)!;
	t.is(level, 'error');
	t.is(fields?.code, 'identity-expired');
	t.regex(message, /restart the container/);
	const late = attempts.filter((at) => at > lifetimeSeconds);
	t.true(late.length > 2 && late.length < 30, `${attempts}`);
	// Seldom: that is for a clock that was wrong for a while.
	t.true(late.every((at, index) => index === 0 || at - late[index - 1]! === 3600), `${late}`);
});

test('a clock that jumps ahead and back again does not end renewal', async (t) => {
	const { first, directory, deps, run } = await agent(t, ['ca-protocol', {}]);
	const { clock, sleep } = deps;
	let jump = 0;
	let slept = 0;
	deps.clock = { now: () => new Date(clock.now().getTime() + jump) };
	deps.sleep = async (milliseconds, signal) => {
		jump = ++slept === 1 ? 400 * 86_400_000 : 0;
		// What a correct clock shows after the pause is of no matter here.
		await sleep(slept === 1 ? milliseconds : 0, signal);
	};
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.not(readIdentity(directory)!.leaf.serial, first);
});

test('an identity that expired before the CA could be asked is called expired, and the CA\'s refusal ends it', async (t) => {
	const { attempts, deps, logged, run } = await agent(t, ['identity-expired', {}]);
	const { sleep } = deps;
	deps.sleep = (_, signal) => sleep(2 * lifetimeSeconds * 1000, signal);
	await run();
	t.is(attempts.length, 1);
	t.deepEqual(logged.map(({ level, fields }) => [level, fields?.code]), [['error', 'identity-expired']]);
});

test('an identity that cannot be read for a moment is renewed later', async (t) => {
	const { directory, first, deps, logged, run } = await agent(t, [{}]);
	deps.bundleCheckSeconds = 86_400;
	const { sleep } = deps;
	let slept = 0;
	deps.sleep = async (milliseconds, signal) => {
		await sleep(milliseconds, signal);
		slept++;
		if (slept === 1) renameSync(join(directory, 'current'), join(directory, 'away'));
		if (logged.length === 1) renameSync(join(directory, 'away'), join(directory, 'current'));
	};
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.is(logged[0]?.level, 'warn');
	t.not(readIdentity(directory)!.leaf.serial, first);
});

test('a CA that gives certificates without any lifetime is not asked in a loop', (t) => {
	const now = new Date('2030-01-01T00:00:00Z');
	t.true(renewalInstant(now, now, () => 0).getTime() - now.getTime() >= 500);
});

test('sixty renewals leave nothing behind: no file, no descriptor, no listener', async (t) => {
	const ca = await FakeCa.start(t, pki);
	const { directory, deps, stop } = await agent(t, []);
	const client = createCaClient([ca.address]);
	let renewals = 0;
	const descriptors: number[] = [];
	const logger = {
		...deps.logger,
		info() {
			renewals++;
			now = Date.now(); // what the CA gave is of now
			if (renewals % 30 === 0) descriptors.push(readdirSync('/proc/self/fd').length);
			if (renewals === 60) stop.abort(new Error('enough'));
		},
	};
	let now = Date.now();
	const clock = { now: () => new Date(now) };
	const sleep = async (milliseconds: number, signal: AbortSignal) => {
		if (signal.aborted) throw signal.reason;
		now += milliseconds;
	};
	await t.throwsAsync(keepRenewed(directory, stop.signal, { ...deps, logger, clock, sleep, ca: client }), { message: 'enough' });
	t.is(ca.count('renew'), 60);
	t.true(descriptors[1]! <= descriptors[0]! + 5, `${descriptors}`);
	t.is(getEventListeners(stop.signal, 'abort').length, 0);
	t.deepEqual(readdirSync(directory).length, 7);
});

for (const code of ['certificate-revoked', 'authorization-ended', 'forbidden'] as const) {
	test(`after ${code} the CA is not asked again`, async (t) => {
		const { attempts, logged, run } = await agent(t, [code, {}]);
		await run();
		t.is(attempts.length, 1);
		t.is(logged.at(-1)!.level, 'error');
	});
}

for (const [what, answer] of [
	['by another CA', { issuer: otherPki }],
	['for another key', { publicKey: generateSigningKey().publicKey }],
	['with another SPIFFE ID', { spiffeId: 'spiffe://birthmark.internal/production/web-api/api02' }],
	['that has expired', { notAfter: new Date(Date.now() - 1000) }],
] as const) {
	test(`a renewed certificate ${what} is not published`, async (t) => {
		const { directory, first, stop, deps } = await agent(t, [answer]);
		const error = await t.throwsAsync(renew(directory, stop.signal, deps), { instanceOf: BirthmarkError });
		t.is(error.code, 'certificate-invalid');
		t.is(readIdentity(directory)!.leaf.serial, first);
	});
}

test('an identity that somebody renewed by hand meanwhile is left alone', async (t) => {
	const { directory, attempts, deps, stop, run } = await agent(t, [{}, {}]);
	let slept = 0;
	const { sleep } = deps;
	deps.sleep = async (milliseconds, signal) => {
		await sleep(milliseconds, signal);
		if (++slept === 1) await renew(directory, stop.signal, deps);
	};
	await t.throwsAsync(run(), { message: 'end of the script' });
	t.is(attempts.length, 2);
	t.true(attempts[0]! <= 60);
});
