/** Holds the CA to what the ledger says that it has answered. */

import type { AuditRecord } from '#common/protocol/audit-chain.ts';
import { newKey, type Answer } from '../support/ca.ts';
import type { Ledger, Life, TokenTries } from './ledger.ts';
import { crlNumber, recordRedemption, type Instance } from './load.ts';

/** How many calls at once. */
const BREADTH = 8;
const AUDIT_PAGE = 1000;
const ISSUES = new Set(['certificate.issue', 'certificate.renew']);

/**
 * Asks about each of these lives and adds every broken promise to the ledger's faults: no token
 * good for two keys, no answered certificate unknown, no revoked one live, no CRL number that went back,
 * no record missing in the audit log or changed since it was last read.
 */
export async function verifyLedger(ledger: Ledger, instance: Instance, lives: readonly Life[]): Promise<void> {
	const queue = [...lives];
	await Promise.all(Array.from({ length: BREADTH }, async () => {
		for (let life = queue.pop(); life; life = queue.pop()) {
			for (const tries of life.tokens) await verifyToken(ledger, instance, life, tries);
			await verifyCertificates(ledger, instance, life);
		}
	}));
	await verifyList(ledger, instance);
	await verifyAudit(ledger, instance, lives);
}

async function verifyToken(ledger: Ledger, instance: Instance, life: Life, tries: TokenTries): Promise<void> {
	const { token, keys, answers } = tries;
	for (const [index, key] of keys.entries()) {
		const answer = await instance.sign(token, key);
		if (answer.status === 200) {
			if (life.fate === 'dead') ledger.fault(`a token of ${life.commonName} was good after its end`);
			recordRedemption(ledger, life, tries, index, answer.text);
		} else if (answer.status >= 500) {
			ledger.fault(`a token was answered ${answer.status}: ${answer.text}`);
		} else if (answers.has(index) && life.fate === 'live') {
			ledger.fault(`${life.commonName} did not get again what it had got: ${answer.text}`);
		}
	}
	const stranger = await instance.sign(token, newKey());
	if (stranger.status === 200 && (answers.size > 0 || tries.isReplaced || life.fate === 'dead')) ledger.fault(`a token of ${life.commonName} was good for another key`);
}

async function verifyCertificates(ledger: Ledger, instance: Instance, life: Life): Promise<void> {
	for (const { serial } of life.certificates) {
		const answer = await instance.admin('GET', `/v1/identities/${serial}`);
		const status = statusOf(answer, serial);
		if (status === undefined) ledger.fault(`certificate ${serial} of ${life.commonName} was answered and is unknown: ${answer.text}`);
		else if (life.fate === 'dead' && status !== 'revoked') ledger.fault(`certificate ${serial} of ${life.commonName} was revoked and is ${status}`);
		else if (life.fate === 'live' && status !== 'live') ledger.fault(`certificate ${serial} of ${life.commonName} is ${status}, and nobody asked for that`);
	}
	const newest = life.certificates.at(-1);
	if (!newest || life.fate === 'doomed') return;
	const { status, text } = await instance.request('GET', '/v1/whoami', { credentials: newest });
	if (status !== (life.fate === 'live' ? 200 : 403)) ledger.fault(`${life.commonName} is ${life.fate} and its certificate was answered ${status}: ${text}`);
}

function statusOf(answer: Answer, serial: string): string | undefined {
	if (answer.status !== 200) return undefined;
	return answer.json<{ identities: { serial: string; status: string }[] }>().identities.find((identity) => identity.serial === serial)?.status;
}

async function verifyList(ledger: Ledger, instance: Instance): Promise<void> {
	const before = ledger.crlNumber;
	const { status, body, text } = await instance.request('GET', '/v1/crl');
	if (status !== 200) return ledger.fault(`the CRL was answered ${status}: ${text}`);
	ledger.sawCrl(crlNumber(body), before);
	// 16 random octets stand in no other place of a list.
	for (const serial of ledger.revoked()) if (!body.includes(Buffer.from(serial, 'hex'))) ledger.fault(`certificate ${serial} was revoked and is not on the list`);
}

async function verifyAudit(ledger: Ledger, instance: Instance, lives: readonly Life[]): Promise<void> {
	for (;;) {
		const { status, text, json } = await instance.admin('GET', `/v1/audit?after=${ledger.audit.head.sequence}&limit=${AUDIT_PAGE}`);
		if (status !== 200) return ledger.fault(`the audit log was answered ${status}: ${text}`);
		const { records, head } = json<{ records: AuditRecord[]; head: { sequence: number } }>();
		for (const record of records) {
			const fault = ledger.audit.take(record);
			if (fault) return ledger.fault(fault.sentence);
			if (ISSUES.has(record.action)) ledger.issued.set(record.subject!, (ledger.issued.get(record.subject!) ?? 0) + 1);
		}
		if (records.length < AUDIT_PAGE) {
			if (head.sequence < ledger.audit.head.sequence) ledger.fault('the audit log is shorter than it was');
			break;
		}
	}
	for (const { serial } of lives.flatMap(({ certificates }) => certificates)) {
		const records = ledger.issued.get(serial) ?? 0;
		if (records !== 1) ledger.fault(`certificate ${serial} has ${records} records of its issue in the audit log`);
	}
}
