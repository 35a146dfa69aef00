import test from 'ava';
import { decodeRevocationLists, serialsOf } from '#common/x509/crl-decode.ts';
import { createPki, revocationLists } from '../../../fakes/ca.ts';

const pki = await createPki();
const MADE = Date.UTC(2030, 0, 1);

test('dates and serial numbers of each list are read', (t) => {
	const serials = ['4a'.repeat(16), '7b'.repeat(16)];
	const lists = decodeRevocationLists(revocationLists(pki, serials, MADE));
	t.deepEqual(lists.map(({ thisUpdate, nextUpdate }) => [thisUpdate.getTime(), nextUpdate?.getTime()]), [[MADE, MADE + 86_400_000], [MADE, MADE + 86_400_000]]);
	t.deepEqual(lists.map(({ entries }) => serialsOf(entries)), [[], serials]);
});

test('what is no list is told', (t) => {
	for (const text of ['', 'nothing', revocationLists(pki).slice(0, -60), pki.bundle.toString()]) t.throws(() => decodeRevocationLists(text), { code: 'certificate-invalid' });
	t.throws(() => serialsOf(Buffer.of(0x30, 0x03, 0x02, 0x01)), { code: 'certificate-invalid' });
});
