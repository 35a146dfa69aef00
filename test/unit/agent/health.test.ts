import test from 'ava';
import { judgeHealth } from '../../../agent/health.ts';
import type { Leaf } from '../../../agent/identity.ts';

const BORN = new Date('2026-01-01T00:00:00Z');
const leaf = { subject: 'CN=api01', notAfter: new Date('2026-01-01T01:00:00Z') } as Leaf;
/** @param minutes since it was published */
const after = (minutes: number) => judgeHealth({ leaf }, BORN, { now: () => new Date(BORN.getTime() + minutes * 60_000) });

test('an identity is healthy for as long as its renewal is not overdue', (t) => {
	t.deepEqual(after(0), { isHealthy: true, sentence: 'CN=api01, for another 3600 s' });
	t.true(after(54).isHealthy);
});

test('an identity that was not renewed in time is unhealthy before it ends', (t) => {
	t.deepEqual(after(55), { isHealthy: false, sentence: 'the identity ends in 300 s and could not be renewed: birthmark-agent renew tells why' });
});

test('an identity that has expired says what to do', (t) => {
	t.like(after(60), { isHealthy: false });
	t.regex(after(61).sentence, /^the identity has expired: restart the container/);
});
