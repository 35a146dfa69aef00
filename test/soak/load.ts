/**
 * Clients that do to a CA what nodes and containers do, as fast as they can, until it goes away:
 * births (with two keys at once, or twice with one), by tokens of the CA and of users, replaced tokens,
 * renewals, ends. Every answer
 * goes into the ledger.
 */

import { X509Certificate } from 'node:crypto';
import { elementAt } from '#common/x509/der.ts';
import { newKey, type Answer, type clientOf, type Credentials, type KeyPair } from '../support/ca.ts';
import type { Held, Ledger, Life, TokenTries } from './ledger.ts';

/** One CA instance; the calls of a test on it. */
export type Instance = ReturnType<typeof clientOf>;

export interface LoadDeps {
	readonly ledger: Ledger;
	/** at least one; a client spreads its calls over them */
	readonly instances: readonly Instance[];
	readonly node: Credentials;
	/** a fresh token that a user signed for this name */
	readonly userToken: (commonName: string) => Promise<string>;
	/** 0 ≤ number < 1 */
	readonly random: () => number;
	/** true when the load is to end */
	readonly isOver: () => boolean;
}

/** What may be answered besides success while instances and databases come and go. */
const AWAY = [502, 503];
const OID_CRL_NUMBER = Buffer.from('0603551d14', 'hex');

/** Several clients at once; resolves when all have stopped. */
export async function runLoad(deps: LoadDeps, clients: number): Promise<void> {
	await Promise.all(Array.from({ length: clients }, (_, index) => client(deps, index)));
}

async function client(deps: LoadDeps, index: number): Promise<void> {
	const { ledger, random, isOver } = deps;
	// Of earlier rounds every client takes its share, so that no life has two masters.
	const own = ledger.lives.filter((_, position) => position % 7 === index && random() < 0.2);
	const living = () => own.filter(({ fate, certificates }) => fate === 'live' && certificates.length > 0);
	while (!isOver()) {
		const dice = random();
		const candidates = living();
		const chosen = candidates[Math.floor(random() * candidates.length)];
		if (dice < 0.1) own.push(await birthByUser(deps));
		else if (dice < 0.45 || !chosen) own.push(...(await birth(deps)));
		else if (dice < 0.7) await renew(deps, chosen);
		else if (dice < 0.9) await end(deps, chosen);
		else await readCrl(deps);
	}
}

/** The answer, unless the CA is away: then nothing is known about what the call has done. */
async function ask(deps: LoadDeps, call: string, request: (instance: Instance) => Promise<Answer>): Promise<Answer | undefined> {
	const { ledger, instances, random } = deps;
	let answer: Answer;
	try {
		answer = await request(instances[Math.floor(random() * instances.length)]!);
	} catch {
		return undefined;
	}
	if (AWAY.includes(answer.status)) return undefined;
	if (answer.status >= 500) ledger.fault(`${call} was answered ${answer.status}: ${answer.text}`);
	ledger.count(`${call} ${answer.status}`);
	return answer;
}

function newName({ random }: Pick<LoadDeps, 'random'>): string {
	return `c${Math.floor(random() * 1e9).toString(36)}`;
}

async function birthByUser(deps: LoadDeps): Promise<Life> {
	const life: Life = { commonName: newName(deps), tokens: [], certificates: [], fate: 'live' };
	deps.ledger.lives.push(life);
	await redeem(deps, life, await deps.userToken(life.commonName), deps.random() < 0.5 ? [newKey()] : [newKey(), newKey()], false);
	return life;
}

async function birth(deps: LoadDeps): Promise<Life[]> {
	const { ledger, node, random } = deps;
	const commonName = newName(deps);
	const containerId = Array.from({ length: 64 }, () => Math.floor(random() * 16).toString(16)).join('');
	const body = { commonName, organizationalUnit: 'web', dnsNames: [], image: 'test:1', containerId };
	const authorized = await ask(deps, 'authorize', (instance) => instance.request('POST', '/v1/authorize', { credentials: node, body }));
	if (!authorized) return [];
	if (authorized.status !== 201) {
		ledger.fault(`an authorization was answered ${authorized.status}: ${authorized.text}`);
		return [];
	}
	const life: Life = { commonName, authorizationId: authorized.json<{ id: string }>().id, tokens: [], certificates: [], fate: 'live' };
	ledger.lives.push(life);
	let token = await mint(deps, life);
	if (token !== undefined && random() < 0.25) {
		// A container that starts again at once: the first token is worth nothing from then on.
		const first = token;
		token = await mint(deps, life);
		// Without an answer nobody knows whether the first one was replaced: either may be good.
		if (token !== undefined) await redeem(deps, life, first, [newKey()], true);
	}
	if (token === undefined) return [life];
	const key = newKey();
	const keys = random() < 0.5 ? [key, newKey()] : [key];
	await redeem(deps, life, token, keys, false);
	return [life];
}

async function mint(deps: LoadDeps, life: Life): Promise<string | undefined> {
	const startId = Math.floor(deps.random() * 1e15).toString(36);
	const path = `/v1/authorizations/${life.authorizationId}/tokens`;
	const answer = await ask(deps, 'mint', (instance) => instance.request('POST', path, { credentials: deps.node, body: { startId } }));
	if (!answer) return undefined;
	if (answer.status !== 201) deps.ledger.fault(`a token for a live container was answered ${answer.status}: ${answer.text}`);
	return answer.status === 201 ? answer.json<{ token: string }>().token : undefined;
}

/** All keys at once; a single key twice at once, as after a lost answer. */
async function redeem(deps: LoadDeps, life: Life, token: string, keys: readonly KeyPair[], isReplaced: boolean): Promise<void> {
	const tries: TokenTries = { token, keys, answers: new Map(), isReplaced };
	life.tokens.push(tries);
	const order = keys.length === 1 ? [0, 0] : keys.map((_, index) => index);
	const answers = await Promise.all(order.map((index) => ask(deps, 'sign', (instance) => instance.sign(token, keys[index]!))));
	for (const [position, answer] of answers.entries()) if (answer?.status === 200) recordRedemption(deps.ledger, life, tries, order[position]!, answer.text);
	const isRefused = answers.length > 0 && answers.every((answer) => answer !== undefined && answer.status !== 200);
	if (isRefused && !isReplaced) deps.ledger.fault(`nobody got a certificate for a good token: ${answers.map((answer) => answer?.text).join(' ')}`);
}

/** Enters one answer for a token, and says what is wrong with it. */
export function recordRedemption(ledger: Ledger, life: Life, tries: TokenTries, key: number, chain: string): void {
	if (tries.isReplaced) ledger.fault(`a token of ${life.commonName} that a newer one had replaced was redeemed`);
	const [known] = tries.answers;
	if (known && (known[0] !== key || known[1] !== chain)) ledger.fault(`a token of ${life.commonName} was redeemed twice`);
	if (!known) hold(life, tries.keys[key]!, chain);
	tries.answers.set(key, chain);
}

function hold(life: Life, key: KeyPair, chain: string): Held {
	const held = { key: key.pem, cert: chain, serial: new X509Certificate(chain).serialNumber.toLowerCase() };
	life.certificates.push(held);
	return held;
}

async function renew(deps: LoadDeps, life: Life): Promise<void> {
	const current = life.certificates.at(-1)!;
	const key = newKey();
	const request = (instance: Instance) => instance.request('POST', '/v1/renew', { credentials: current, headers: { 'content-type': 'application/pkcs10' }, body: key.csr() });
	const answers = await Promise.all([ask(deps, 'renew', request), ...(deps.random() < 0.3 ? [ask(deps, 'renew', request)] : [])]);
	const chains = new Set(answers.flatMap((answer) => (answer?.status === 200 ? [answer.text] : [])));
	if (chains.size > 1) deps.ledger.fault(`one renewal of ${life.commonName} gave two certificates`);
	for (const answer of answers) if (answer && answer.status !== 200) deps.ledger.fault(`a renewal of a live identity was answered ${answer.status}: ${answer.text}`);
	for (const chain of chains) hold(life, key, chain);
}

async function end(deps: LoadDeps, life: Life): Promise<void> {
	life.fate = 'doomed';
	const byRevocation = deps.random() < 0.5;
	const answer = await ask(deps, 'end', (instance) => (life.authorizationId === undefined
		? instance.admin('POST', '/v1/revoke', { commonName: life.commonName })
		: byRevocation ? instance.request('POST', '/v1/revoke', { credentials: deps.node, body: { authorizationId: life.authorizationId } })
			: instance.request('DELETE', `/v1/authorizations/${life.authorizationId}`, { credentials: deps.node })));
	if (!answer) return;
	if (answer.status >= 300) deps.ledger.fault(`the end of a container was answered ${answer.status}: ${answer.text}`);
	else life.fate = 'dead';
}

async function readCrl(deps: LoadDeps): Promise<void> {
	const before = deps.ledger.crlNumber;
	const answer = await ask(deps, 'crl', (instance) => instance.request('GET', '/v1/crl'));
	if (answer?.status === 200) deps.ledger.sawCrl(crlNumber(answer.body), before);
}

/** The CRLNumber of a list in DER (RFC 5280 §5.2.3). */
export function crlNumber(der: Buffer): number {
	const oid = der.indexOf(OID_CRL_NUMBER);
	const octets = elementAt(der, oid + OID_CRL_NUMBER.length)!;
	const integer = elementAt(der, octets.contents)!;
	return Number(BigInt(`0x${der.subarray(integer.contents, integer.end).toString('hex')}`));
}
