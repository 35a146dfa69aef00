/** Published lists as rows of the store, which several instances keep up to date. */

import test, { type ExecutionContext } from 'ava';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { openRevocationLists, type PublishedList } from '../../../../ca/revocation/lists.ts';
import { createRevoke } from '../../../../ca/revocation/revoke.ts';
import { onlyAuthority } from '../../../../ca/issuance/authorities.ts';
import { createAuthority } from '../../../../ca/issuance/authority.ts';
import { SYSTEM } from '../../../../ca/store/records.ts';
import { answered } from '../../../support/ask-again.ts';
import { movableClock } from '../../../support/ca.ts';
import { newCertificate } from '../../../support/records.ts';
import { backends, type Backend } from '../../../support/stores.ts';
import { testAuthorityProfile } from '../../../support/domain.ts';

const SETTINGS = { refreshSeconds: 3600, lifetimeSeconds: 86_400, backdateSeconds: 60 };
const PUBLIC_URL = 'http://ca.example.com:33005';

async function setUp(t: ExecutionContext, backend: Backend, settings: Partial<typeof SETTINGS> = {}) {
	const clock = movableClock();
	const store = await backend.store(t);
	const authorities = onlyAuthority(createAuthority(1, { clock, random: randomBytes, backdateSeconds: 60, trustDomain: 'example.org', profile: testAuthorityProfile() }));
	const open = () => openRevocationLists({ store, authorities, clock, ...SETTINGS, ...settings });
	const issue = async (crlPartition = 0): Promise<string> => {
		const issuedAt = clock.now();
		const certificate = newCertificate({ crlPartition, issuedAt, notBefore: issuedAt, notAfter: new Date(issuedAt.getTime() + 3_600_000) });
		await answered(() => store.addCertificate(certificate, SYSTEM));
		return certificate.serial;
	};
	const revoke = (serial: string) => answered(() => store.revoke({ by: 'serial', value: serial }, undefined, 'unspecified', clock.now(), SYSTEM));
	return { clock, store, open, issue, revoke };
}

function text({ der }: PublishedList): string {
	return execFileSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], { input: der, encoding: 'utf8' });
}

function has(list: PublishedList, serial: string): boolean {
	return text(list).includes(`Serial Number: ${serial.replace(/^(00)+/, '').toUpperCase()}`);
}

for (const backend of backends(test)) {
	const title = (text: string): string => `${backend.name}: ${text}`;

	backend.test(title('an instance serves what another has revoked, with numbers that only grow for all of them'), async (t) => {
		const { open, issue, revoke } = await setUp(t, backend);
		const [one, two] = [await open(), await open()];
		t.is((await one.latest()).number, (await two.latest()).number, 'a list that is current is not made again');
		let last = (await two.latest()).number;
		for (let round = 0; round < 5; round++) {
			const serial = await issue();
			await revoke(serial);
			const [mine, theirs] = await Promise.all([one.latest(), two.latest()]);
			for (const list of [mine, theirs]) {
				t.true(has(list, serial));
				t.true(list.number > last);
			}
			last = Math.max(mine.number, theirs.number);
			t.is((await one.latest()).number, last);
			t.is((await two.latest()).number, last);
		}
	});

	backend.test(title('lists come out while revocations go on without a pause'), async (t) => {
		const { open, issue, revoke } = await setUp(t, backend);
		const lists = await open();
		const serials = await Promise.all(Array.from({ length: 60 }, () => issue()));
		const published = await Promise.all(serials.map(async (serial) => {
			await revoke(serial);
			return [serial, await answered(() => lists.latest())] as const;
		}));
		for (const [serial, list] of published.slice(-10)) t.true(has(list, serial));
	});

	backend.test(title('a certificate is on the list of its partition and on that of everything; the other partitions do not change'), async (t) => {
		const { store, open, issue, revoke } = await setUp(t, backend);
		const lists = await open();
		const first = await store.openPartition(1, PUBLIC_URL, 2);
		t.is(await store.openPartition(1, PUBLIC_URL, 2), first);
		const [a, b] = [await issue(first), await issue(first)];
		const second = await store.openPartition(1, PUBLIC_URL, 2);
		t.is(second, first + 1, 'the partition is full');
		const c = await issue(second);
		t.not(await store.openPartition(1, 'http://elsewhere.example.com', 2), second, 'another address is another partition');

		const other = await lists.partition(second);
		await revoke(a);
		const list = (await lists.partition(first))!;
		t.true(has(list, a) && !has(list, b));
		t.regex(text(list), /X509v3 Issuing Distribution Point: critical\n\s+Full Name:\n\s+URI:http:\/\/ca\.example\.com:33005\/v1\/crl\/1\n/);
		t.true(has(await lists.latest(), a));
		t.notRegex(text(await lists.latest()), /Issuing Distribution Point/);
		t.is((await lists.partition(second))!.number, other!.number);
		await revoke(c);
		t.true(has((await lists.partition(second))!, c) && has(await lists.latest(), c));
		t.is((await lists.partition(first))!.number, list.number);
		t.is(await lists.partition(99), undefined);
	});

	backend.test(title('a partition that nobody asked for is fresh when somebody does, and its clock may step'), async (t) => {
		const { clock, store, open } = await setUp(t, backend);
		const lists = await open();
		const partition = await store.openPartition(1, PUBLIC_URL, 100);
		for (const step of [0, 3601, 90_000, -200_000]) {
			clock.advance(step);
			const { thisUpdate, nextUpdate } = (await lists.partition(partition))!;
			t.true(thisUpdate <= clock.now() && clock.now() < nextUpdate, `after ${step} s`);
		}
	});

	backend.test(title('a list that was made for who asks is good for him, however long that took'), async (t) => {
		const { clock, store, open } = await setUp(t, backend, { refreshSeconds: 1 });
		const lists = await open();
		const partition = await store.openPartition(1, PUBLIC_URL, 100);
		const publish = store.publishRevocationList;
		store.publishRevocationList = async (list) => {
			await publish(list);
			clock.advance(2);
		};
		const before = (await lists.latest()).number;
		clock.advance(2);
		t.is((await lists.latest()).number, before + 1);
		t.is((await lists.partition(partition))!.number, before + 2);
	});

	backend.test(title('of two lists the one with the higher number stays, whichever is written last'), async (t) => {
		const { store } = await setUp(t, backend);
		const scope = { generation: 1, partition: 0 };
		const [early, late] = [await store.nextRevocationList(scope, new Date(0), new Date(0)), await store.nextRevocationList(scope, new Date(0), new Date(0))];
		const times = { thisUpdate: new Date(0), nextUpdate: new Date(1) };
		await store.publishRevocationList({ ...scope, ...late, ...times, der: Buffer.from('late') });
		await store.publishRevocationList({ ...scope, ...early, ...times, der: Buffer.from('early') });
		t.is((await store.findRevocationList(scope, null)).list!.der!.toString(), 'late');
		t.is((await store.findRevocationList(scope, late.number)).list!.der, undefined, 'whoever has it is not given it again');
	});

	backend.test(title('who revokes many with one call leaves connections to the database for others'), async (t) => {
		const { clock, store, open, issue } = await setUp(t, backend);
		const serials = await Promise.all(Array.from({ length: 50 }, () => issue()));
		const writes = { now: 0, most: 0 };
		const revoke: typeof store.revoke = (...parameters) => {
			writes.most = Math.max(writes.most, ++writes.now);
			return store.revoke(...parameters).finally(() => writes.now--);
		};
		const lists = await open();
		const { results } = await createRevoke({ store: { ...store, revoke }, lists, clock }).many({ revocations: serials.map((serial) => ({ serial })) }, undefined, SYSTEM);
		t.deepEqual(results, serials.map(() => ({ revoked: 1 })));
		t.true(writes.most <= 8, `${writes.most} at once`);
	});

	backend.test(title('a certificate that came from an upstream is on the lists of the upstream'), async (t) => {
		const { clock, store, open } = await setUp(t, backend);
		const lists = await open();
		const issuedAt = clock.now();
		const times = { issuedAt, notBefore: issuedAt, notAfter: new Date(issuedAt.getTime() + 3_600_000) };
		const [own, foreign] = [newCertificate(times), newCertificate({ ...times, intermediates: 'PEM' })];
		for (const certificate of [own, foreign]) await store.addCertificate(certificate, SYSTEM);
		t.is(await store.revoke({ by: 'commonName', value: own.commonName }, undefined, 'unspecified', clock.now(), SYSTEM), 2);
		const list = await lists.latest();
		t.true(has(list, own.serial) && !has(list, foreign.serial));
	});
}
