import test from 'ava';
import { formatOwner, parseFormats, parseKeyMode, parseOwner } from '#common/protocol/publication.ts';

const refuse = (why: string) => new RangeError(why);

test('formats are a list without order', (t) => {
	t.deepEqual(parseFormats('pem', refuse), ['pem']);
	t.deepEqual(parseFormats(' haproxy , der', refuse), ['haproxy', 'der']);
	for (const text of ['', ',', 'PEM', 'der,', 'der,der', 'jks']) t.throws(() => parseFormats(text, refuse), { instanceOf: RangeError }, text);
});

test('a key is for its owner, and for its group if it says so', (t) => {
	for (const [text, mode] of [['0600', 0o600], ['600', 0o600], ['0640', 0o640], ['400', 0o400], ['0440', 0o440]] as const) t.is(parseKeyMode(text, refuse), mode);
	for (const text of ['', '0644', '0604', '0660', '0200', '0000', '0700', '00600', '0o600', '600 ']) t.throws(() => parseKeyMode(text, refuse), { instanceOf: RangeError }, text);
});

test('an owner is two numbers', (t) => {
	t.deepEqual(parseOwner('999:0', refuse), { uid: 999, gid: 0 });
	t.is(formatOwner({ uid: 4_294_967_294, gid: 1 }), '4294967294:1');
	for (const text of ['', '1', '1:', ':1', '1:2:3', 'root:root', '-1:0', '4294967295:0', '0:4294967295']) t.throws(() => parseOwner(text, refuse), { instanceOf: RangeError }, text);
});
