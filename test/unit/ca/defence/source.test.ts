import test from 'ava';
import { addressSource, identitySource, tokenSource } from '../../../../ca/defence/source.ts';

const ADDRESSES: ReadonlyArray<readonly [address: string, key: string]> = [
	['192.0.2.7', '192.0.2.7'],
	['::ffff:192.0.2.7', '192.0.2.7'],
	['::FFFF:192.0.2.7', '192.0.2.7'],
	['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
	['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
	['2001:db8::1', '2001:db8:0:0::/64'],
	['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
	['::1', '0:0:0:0::/64'],
	['fe80::1%eth0', 'fe80:0:0:0::/64'],
	['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
];
for (const [address, key] of ADDRESSES) {
	test(`${address} is counted as ${key}`, (t) => t.deepEqual(addressSource(address), { kind: 'address', key }));
}

test('a token is counted by a hash that is its own and shows nothing of it', (t) => {
	const token = `BMKTKN-1-${'0'.repeat(50)}-${'1'.repeat(25)}`;
	const { key } = tokenSource(token);
	t.regex(key, /^[0-9a-f]{32}$/);
	t.is(tokenSource(token).key, key);
	t.not(tokenSource(token.slice(0, -1) + '2').key, key);
});

test('an identity is counted through all its renewals, and the admin socket not at all', (t) => {
	const certificate = { chain: '4a'.repeat(16), serial: '4b'.repeat(16) } as never;
	t.deepEqual(identitySource({ role: 'node', name: 'host1', certificate }), { kind: 'identity', key: `node host1 ${'4a'.repeat(16)}` });
	t.is(identitySource({ role: 'operator', name: 'local' }), undefined);
});
