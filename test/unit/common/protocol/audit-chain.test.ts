/** The chain of the audit log: whatever is changed in it is found, at the record where it was changed. */

import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import {
	AUDIT_GENESIS, auditLine, canonicalJson, chainRecord, createAuditVerifier, formatAuditHead, parseAuditHead, type AuditFault, type AuditHead, type AuditRecord,
} from '#common/protocol/audit-chain.ts';

type Event = Omit<AuditRecord, 'sequence' | 'previous' | 'hash'>;

const event: fc.Arbitrary<Event> = fc.record({
	at: fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }).map((date) => date.toISOString()),
	by: fc.record({ role: fc.constantFrom('node', 'operator', 'anonymous'), name: fc.string() }),
	action: fc.constantFrom('certificate.issue', 'POST /v1/sign'),
	outcome: fc.constantFrom('done', 'refused'),
	subject: fc.string(),
	details: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean())),
}, { requiredKeys: ['at', 'by', 'action', 'outcome'] });
const events = fc.array(event, { minLength: 1, maxLength: 12 });

function chain(all: readonly Event[]): AuditRecord[] {
	let head: AuditHead = AUDIT_GENESIS;
	// Through JSON, as records come from an export: -0 has become 0 there.
	return all.map((item) => (head = chainRecord(head, JSON.parse(JSON.stringify(item)) as Event)) as AuditRecord);
}

function verify(lines: readonly string[], expected?: AuditHead): AuditFault | undefined {
	const verifier = createAuditVerifier(AUDIT_GENESIS, expected);
	for (const line of lines) {
		const fault = verifier.takeLine(line);
		if (fault) return fault;
	}
	return verifier.end();
}

test('the canonical form is that of RFC 8785 §3.2', (t) => {
	const value = { peach: 'This sorting order', péché: 'is wrong according to French', pêche: 'but canonicalization MUST', sin: 'ignore locale', numbers: [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/' };
	t.is(canonicalJson(value), '{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"peach":"This sorting order","péché":"is wrong according to French","pêche":"but canonicalization MUST","sin":"ignore locale","string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}');
	t.is(canonicalJson({ '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, 'ö': 7 }), '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}');
	t.throws(() => canonicalJson({ a: Number.NaN }), { instanceOf: TypeError });
});

test('the hash can be computed by anybody', (t) => {
	const [first, second] = chain([{ at: '2030-01-01T00:00:00.000Z', by: { role: 'operator', name: 'alice' }, action: 'node.join', outcome: 'done' }, { at: '2030-01-01T00:00:01.000Z', by: { role: 'node', name: 'b' }, action: 'x', outcome: 'refused' }]);
	const content = '{"action":"node.join","at":"2030-01-01T00:00:00.000Z","by":{"name":"alice","role":"operator"},"outcome":"done","sequence":1}';
	t.is(first!.hash, createHash('sha256').update(Buffer.alloc(32)).update(content).digest('hex'));
	t.is(second!.previous, first!.hash);
});

test('a chain that nobody touched is right, from its beginning or from a head on', (t) => {
	fc.assert(fc.property(events, fc.nat(), (all, cut) => {
		const records = chain(all);
		t.is(verify(records.map(auditLine), records.at(-1)), undefined);
		const from = cut % records.length;
		const rest = createAuditVerifier(from === 0 ? AUDIT_GENESIS : records[from - 1], records.at(-1));
		for (const record of records.slice(from)) t.is(rest.take(record), undefined);
		t.is(rest.end(), undefined);
		t.like(rest.head, { sequence: records.length, hash: records.at(-1)!.hash });
	}));
});

test('any single byte that is changed is found at its record', (t) => {
	fc.assert(fc.property(events, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (all, which, where, difference) => {
		const lines = chain(all).map(auditLine);
		const index = which % lines.length;
		const bytes = Buffer.from(lines[index]!);
		bytes[where % bytes.length]! ^= difference;
		const changed = bytes.toString();
		// Two kinds of bytes that are no UTF-8 read alike.
		fc.pre(changed !== lines[index]);
		const fault = verify(lines.with(index, changed));
		t.is(fault?.sequence, index + 1, fault?.sentence);
	}), { numRuns: 500 });
});

test('what has no canonical form was modified, and is no reason to fail', (t) => {
	const line = auditLine(chain([{ at: '2030-01-01T00:00:00.000Z', by: { role: 'node', name: 'a' }, action: 'x', outcome: 'done', details: { count: 12345 } }])[0]!);
	t.is(verify([line]), undefined);
	for (const evil of ['1e999', '['.repeat(100_000) + ']'.repeat(100_000)]) t.like(verify([line.replace('12345', evil)]), { kind: 'modified', sequence: 1 });
});

test('a record that is removed is found where it was; the last one only by a head that was noted', (t) => {
	fc.assert(fc.property(events, fc.nat(), (all, which) => {
		const records = chain(all);
		const index = which % records.length;
		const lines = records.map(auditLine).toSpliced(index, 1);
		t.like(verify(lines, records.at(-1)), { kind: index === records.length - 1 ? 'truncated' : 'missing', sequence: index + 1 });
		if (index === records.length - 1) t.is(verify(lines), undefined);
	}));
});

test('a record that is put in, repeated or moved is found where it stands', (t) => {
	fc.assert(fc.property(events, event, fc.nat(), fc.nat(), (all, forged, a, b) => {
		const records = chain(all);
		const lines = records.map(auditLine);
		const [from, to] = [a % lines.length, b % lines.length];
		t.is(verify(lines.toSpliced(to + 1, 0, lines[from]!))?.sequence, from === to + 1 ? to + 3 : to + 2);
		if (from !== to) {
			const moved = lines.with(from, lines[to]!).with(to, lines[from]!);
			t.is(verify(moved)?.sequence, Math.min(from, to) + 1);
		}
		// One that joins on as it should: the records after it do not join on to it any more.
		const forgery = chainRecord(to === 0 ? AUDIT_GENESIS : records[to - 1]!, JSON.parse(JSON.stringify(forged)) as Event) as AuditRecord;
		if (forgery.hash !== records[to]!.hash && to < lines.length - 1) t.like(verify(lines.with(to, auditLine(forgery))), { kind: 'replaced', sequence: to + 2 });
	}));
});

test('a log that was written anew shows against a head that was noted', (t) => {
	fc.assert(fc.property(events, events, (all, others) => {
		const [records, forged] = [chain(all), chain(others)];
		fc.pre(forged.length >= records.length && forged[records.length - 1]!.hash !== records.at(-1)!.hash);
		t.is(verify(forged.map(auditLine)), undefined);
		t.like(verify(forged.map(auditLine), records.at(-1)), { kind: 'rewritten', sequence: records.length });
	}));
});

test('heads are read as they are written, and nothing else is', (t) => {
	const head = { sequence: 12, hash: 'ab'.repeat(32) };
	t.deepEqual(parseAuditHead(formatAuditHead(head)), head);
	for (const text of ['', '12', `012:${head.hash}`, `-1:${head.hash}`, `12:${head.hash.toUpperCase()}`, `12:${head.hash}0`, `12:${head.hash}\n`]) t.is(parseAuditHead(text), undefined, text);
});
