/**
 * The audit log as a hash chain: each record carries the hash of the one before and its own,
 * SHA-256(previous ‖ canonical JSON of the record without its hashes), so that no record can be changed,
 * removed, added or moved without changing every hash after it. The canonical form is that of RFC 8785:
 * keys in the order of their UTF-16 code units, no blanks, numbers and strings as ECMAScript writes them.
 *
 * What a chain cannot prove by itself: that its end was not cut off, and that it was not written anew
 * from some record on. Both show against a head that was noted elsewhere.
 */

import { createHash } from 'node:crypto';

/** The last record that there is, or that is known to be right. */
export interface AuditHead {
	/** 0: nothing yet */
	readonly sequence: number;
	/** 64 hexadecimal digits */
	readonly hash: string;
}

export interface AuditRecord {
	/** from 1 on, without a gap */
	readonly sequence: number;
	readonly previous: string;
	readonly hash: string;
	/** RFC 3339 */
	readonly at: string;
	readonly by: { readonly role: string; readonly name: string; readonly source?: string };
	readonly action: string;
	readonly outcome: string;
	readonly subject?: string;
	readonly details?: Readonly<Record<string, unknown>>;
}

/** What comes before the first record. */
export const AUDIT_GENESIS: AuditHead = { sequence: 0, hash: '0'.repeat(64) };

/** `malformed`: no record at all. The others say what is wrong at the record that was read, or after the last one. */
export type AuditFaultKind = 'malformed' | 'modified' | 'missing' | 'out-of-order' | 'replaced' | 'rewritten' | 'truncated';

export interface AuditFault {
	readonly kind: AuditFaultKind;
	/** the first record that is not as it was, or that should be there and is not */
	readonly sequence: number;
	readonly sentence: string;
}

/**
 * @param value as JSON.parse makes it
 * @throws TypeError for what has no place in JSON
 */
export function canonicalJson(value: unknown): string {
	if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
	if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
	if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
	if (typeof value === 'object') {
		const members = Object.entries(value).filter(([, member]) => member !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
		return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
	}
	throw new TypeError(`${typeof value} has no place in JSON`);
}

/** @param event everything but `sequence`, `previous` and `hash` */
export function chainRecord<Event extends object>(head: AuditHead, event: Event): Event & Pick<AuditRecord, 'sequence' | 'previous' | 'hash'> {
	const sequence = head.sequence + 1;
	return { ...event, sequence, previous: head.hash, hash: hashOf(head.hash, { ...event, sequence }) };
}

/** One line of an export. */
export function auditLine(record: AuditRecord): string {
	return canonicalJson(record);
}

export interface AuditVerifier {
	/** @returns what is wrong with this record, which is then the first broken one */
	take(record: unknown): AuditFault | undefined;
	/** the same for a line of an export, which has to be the exact one */
	takeLine(line: string): AuditFault | undefined;
	/** When nothing more comes. */
	end(): AuditFault | undefined;
	/** up to which the chain is right */
	readonly head: AuditHead;
}

/**
 * @param after where the records to come join on
 * @param expected a head that was noted before, when there is one; not from before `after`, where nothing can be compared with it
 */
export function createAuditVerifier(after: AuditHead = AUDIT_GENESIS, expected?: AuditHead): AuditVerifier {
	if (expected && expected.sequence < after.sequence) throw new RangeError('what was expected lies before the records to come');
	let head = after;
	const fault = (kind: AuditFaultKind, sequence: number, sentence: string): AuditFault => ({ kind, sequence, sentence });
	const compare = ({ sequence, hash }: AuditHead): AuditFault | undefined => {
		if (expected?.sequence !== sequence || expected.hash === hash) return undefined;
		return fault('rewritten', sequence, `record ${sequence} has another hash than was noted: it or one before it was written anew`);
	};
	const begun = compare(after);
	const take = (value: unknown): AuditFault | undefined => {
		if (begun) return begun;
		const next = head.sequence + 1;
		if (!isRecord(value)) return fault('malformed', next, `where record ${next} should be there is something that is no record`);
		const { sequence, previous, hash, ...event } = value;
		if (sequence > next) return fault('missing', next, `record ${next} is missing: after ${head.sequence} comes ${sequence}`);
		if (sequence < next) return fault('out-of-order', next, `where record ${next} should be there is record ${sequence}`);
		if (!isHash(hash, previous, { ...event, sequence })) return fault('modified', sequence, `record ${sequence} was modified: its hash is not that of its contents`);
		if (previous !== head.hash) return fault('replaced', sequence, `record ${sequence} does not join on to the one before: one of the two is not the original`);
		const noted = compare({ sequence, hash });
		if (!noted) head = { sequence, hash };
		return noted;
	};
	return {
		take,
		takeLine(line) {
			const next = head.sequence + 1;
			let value: unknown;
			try {
				value = JSON.parse(line);
			} catch {
				return fault('malformed', next, `where record ${next} should be there is a line that is no JSON`);
			}
			const found = take(value);
			if (found) return found;
			// A second key of the same name, say, is not in the value that was parsed.
			return canonicalJson(value) === line ? undefined : fault('modified', next, `record ${next} was modified: it is not written as it was`);
		},
		end() {
			if (begun || !expected || expected.sequence <= head.sequence) return begun;
			return fault('truncated', head.sequence + 1, `the log ends with record ${head.sequence}, and record ${expected.sequence} was noted: the end was cut off`);
		},
		get head() {
			return head;
		},
	};
}

/** `SEQUENCE:HASH`. @returns undefined for anything else */
export function parseAuditHead(text: string): AuditHead | undefined {
	const match = /^(0|[1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text);
	return match ? { sequence: Number(match[1]), hash: match[2]! } : undefined;
}

export function formatAuditHead({ sequence, hash }: AuditHead): string {
	return `${sequence}:${hash}`;
}

/** @param previous 64 hexadecimal digits */
function hashOf(previous: string, content: object): string {
	return createHash('sha256').update(Buffer.from(previous, 'hex')).update(canonicalJson(content)).digest('hex');
}

function isHash(hash: string, previous: string, content: object): boolean {
	try {
		return hashOf(previous, content) === hash;
	} catch {
		// A number beyond all bounds (1e999), or a nesting that nobody wrote: it has no canonical form.
		return false;
	}
}

function isRecord(value: unknown): value is AuditRecord {
	if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
	const { sequence, previous, hash } = value as Partial<AuditRecord>;
	return Number.isSafeInteger(sequence) && [previous, hash].every((digits) => typeof digits === 'string' && /^[0-9a-f]{64}$/.test(digits));
}
