import test from 'ava';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { parseIdentityLabels } from '../../../../plugin/authz/labels.ts';

const parse = (labels: Record<string, string>) => parseIdentityLabels(new Map(Object.entries(labels)));
const named = { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api' };

test('a container without birthmark labels asks for nothing', (t) => {
	t.is(parse({ maintainer: 'me', 'com.example.birthmark.cn': 'x' }), undefined);
});

test('a label that only looks like one of ours is refused: it would silently give no identity', (t) => {
	for (const name of ['Birthmark.cn', 'BIRTHMARK.CN', ' birthmark.cn', '"birthmark.cn', 'birthmark_cn', 'birthmark:cn', 'birthmark-cn', 'birthmark']) {
		t.throws(() => parse({ [name]: 'api01' }), { code: 'label-unknown', message: /did you mean birthmark\.cn\?$/ } as never, name);
	}
	t.throws(() => parse({ 'Birthmark/identity': 'api01' }), { code: 'label-unknown', message: /the labels are birthmark\.cn/ } as never);
	for (const name of ['bithmark.cn', 'brithmark.cn', 'birthmarks.cn', 'birtmark.cn']) {
		t.throws(() => parse({ [name]: 'api01' }), { code: 'label-unknown', message: /did you mean birthmark\.cn\?$/ } as never, name);
	}
	t.is(parse({ 'benchmark.size': 'x', 'bookmark.port': 'x', 'birchmark.io/size': 'x', 'birthmarks.vendor': 'x' }), undefined);
	t.is(parse({ birthmarks: 'x', 'birthmark2.cn': 'x', 'my-birthmark.cn': 'x' }), undefined);
});

test('a label that is as long as a whole request holds nobody up', (t) => {
	// Compared letter by letter with each of ours it would take minutes.
	for (const name of ['birthmark.', 'Birthmark.']) t.throws(() => parse({ [name + 'x'.repeat(2 ** 24)]: 'api01' }), { code: 'label-unknown', message: /the labels are birthmark\.cn/ } as never);
});

test('name and role are enough', (t) => {
	t.deepEqual(parse(named), { names: { commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [] }, sizeBytes: 1024 * 1024, inodes: 128, caWay: 'relay', settings: {} });
});

test('a role that nobody said is the name without its number', (t) => {
	t.is(parse({ 'birthmark.cn': 'shop-api-3' })?.names.organizationalUnit, 'shop-api');
	t.is(parse({ 'birthmark.cn': 'shop-api-3', 'birthmark.ou': 'api-3' })?.names.organizationalUnit, 'api-3');
});

test('auto takes the name and the role that somebody vouches for, and labels that say more win', (t) => {
	const auto = (labels: Record<string, string>, names = { commonName: 'shop-api-3', organizationalUnit: 'api' }) => parseIdentityLabels(new Map(Object.entries({ 'birthmark.cn': 'auto', ...labels })), names);
	t.like(auto({}), { isAuto: true, names: { commonName: 'shop-api-3', organizationalUnit: 'api', dnsNames: [] } });
	t.like(auto({ 'birthmark.ou': 'web' }), { names: { commonName: 'shop-api-3', organizationalUnit: 'web' } });
	t.like(parseIdentityLabels(new Map([['birthmark.cn', 'auto']]), { commonName: 'shop-api-3' }), { names: { commonName: 'shop-api-3', organizationalUnit: 'shop-api' } });
	t.like(parseIdentityLabels(new Map([['birthmark.cn', 'api01']]), { commonName: 'x', organizationalUnit: 'y' }), { names: { commonName: 'api01', organizationalUnit: 'api' } }, 'of no account without auto');
	t.throws(() => auto({}, { commonName: 'API', organizationalUnit: 'api' }), { code: 'name-illegal', message: /^birthmark\.cn=auto takes the name of the container.*"API".*give it another name/ } as never);
	t.throws(() => auto({}, { commonName: 'birthmark-ca', organizationalUnit: 'api' }), { code: 'name-illegal', message: /reserved/ } as never);
	t.throws(() => auto({}, { commonName: 'api', organizationalUnit: 'birthmark' }), { code: 'name-illegal', message: /role "birthmark"/ } as never);
});

test('every label is read', (t) => {
	t.deepEqual(
		parse({ ...named, 'birthmark.dns': 'api.example.com, api,api', 'birthmark.profile': 'client', 'birthmark.ttl': '15m', 'birthmark.uid': '1000', 'birthmark.gid': '0', 'birthmark.mode': '750', 'birthmark.key-mode': '0640', 'birthmark.formats': 'haproxy,der', 'birthmark.size': '512k', 'birthmark.inodes': '64', 'birthmark.ca': 'network', 'birthmark.agent': 'none', 'birthmark.reload': 'exec:nginx -s reload', 'birthmark.reload-on': 'certificate' }),
		{ names: { commonName: 'api01', organizationalUnit: 'web-api', dnsNames: ['api.example.com', 'api'] }, profile: 'client', lifetimeSeconds: 900, uid: 1000, gid: 0, mode: 0o750, sizeBytes: 512 * 1024, inodes: 64, caWay: 'network', agentMode: 'none', settings: { formats: 'haproxy,der', keyMode: '0640', reload: 'exec:nginx -s reload', reloadOn: 'certificate' } },
	);
});

test('a port is passed on as it was written', (t) => {
	t.deepEqual(parse({ ...named, 'birthmark.port': 'postgres:5432' })?.settings, { port: 'postgres:5432' });
});

for (const [value, seconds] of [['10', 10], ['30s', 30], ['24h', 86_400]] as const) {
	test(`a lifetime of ${value} is ${seconds} seconds`, (t) => {
		t.is(parse({ ...named, 'birthmark.ttl': value })?.lifetimeSeconds, seconds);
	});
}

const refused: readonly (readonly [what: string, labels: Record<string, string>, code: ErrorCode, sentence: RegExp])[] = [
	['a misspelt label, with the right one', { ...named, 'birthmark.tll': '1h' }, 'label-unknown', /did you mean birthmark\.ttl\?/],
	['an unknown label, with all there are', { ...named, 'birthmark.something-else': '1' }, 'label-unknown', /the labels are birthmark\.cn, birthmark\.ou/],
	['a label in capitals', { ...named, 'birthmark.CN': 'x' }, 'label-unknown', /birthmark\.cn/],
	['a role without a name', { 'birthmark.ou': 'web' }, 'label-missing', /birthmark\.cn=NAME/],
	['an empty role', { 'birthmark.cn': 'web01', 'birthmark.ou': '' }, 'name-illegal', /role "" .*empty/],
	['auto where there is no name to take', { 'birthmark.cn': 'auto' }, 'label-missing', /--name NAME/],
	['an empty name', { ...named, 'birthmark.cn': '' }, 'name-illegal', /empty/],
	['a path for a name', { ...named, 'birthmark.cn': '../api01' }, 'name-illegal', /path/],
	['a wildcard', { ...named, 'birthmark.cn': '*' }, 'name-illegal', /wildcard/],
	['a name of 65 characters', { ...named, 'birthmark.cn': 'a'.repeat(65) }, 'name-illegal', /longer/],
	['control characters in a name', { ...named, 'birthmark.cn': 'api\n01' }, 'name-illegal', /control/],
	['a reserved name', { ...named, 'birthmark.cn': 'birthmark-ca' }, 'name-illegal', /reserved/],
	['a wildcard DNS name', { ...named, 'birthmark.dns': '*.example.com' }, 'name-illegal', /DNS name/],
	['more DNS names than 16', { ...named, 'birthmark.dns': Array.from({ length: 17 }, (_, n) => `n${n}`).join() }, 'label-illegal', /16/],
	['a profile that containers do not have', { ...named, 'birthmark.profile': 'node' }, 'label-illegal', /use workload, client/],
	['a lifetime under ten seconds', { ...named, 'birthmark.ttl': '9s' }, 'label-illegal', /at least 10 seconds/],
	['a lifetime in days', { ...named, 'birthmark.ttl': '1d' }, 'label-illegal', /15m/],
	['a name for a uid', { ...named, 'birthmark.uid': 'nobody' }, 'label-illegal', /number/],
	['the uid that means none', { ...named, 'birthmark.uid': '4294967295' }, 'label-illegal', /number/],
	['a mode that is not octal', { ...named, 'birthmark.mode': '0789' }, 'label-illegal', /octal/],
	['a mode that locks the owner out', { ...named, 'birthmark.mode': '0070' }, 'label-illegal', /owner/],
	['a mode that lets all write', { ...named, 'birthmark.mode': '0707' }, 'label-illegal', /only the owner/],
	['a mode that lets the group write', { ...named, 'birthmark.mode': '0770' }, 'label-illegal', /only the owner/],
	['a signal that is none for a reload', { ...named, 'birthmark.reload': 'signal:KILL' }, 'label-illegal', /birthmark\.reload="signal:KILL" is not accepted: use one of the signals/],
	['an occasion that is none for a reload', { ...named, 'birthmark.reload': 'signal:HUP', 'birthmark.reload-on': 'never' }, 'label-illegal', /birthmark\.reload-on="never" is not accepted: use any or certificate/],
	['an occasion without a reload', { ...named, 'birthmark.reload-on': 'any' }, 'label-illegal', /birthmark\.reload is done, which is missing/],
	['a port that is none', { ...named, 'birthmark.port': 'https' }, 'label-illegal', /birthmark\.port="https" is not accepted: use a port/],
	['a port of a client', { ...named, 'birthmark.port': '8443', 'birthmark.profile': 'client' }, 'label-illegal', /not for servers/],
	['a reload where no agent is', { ...named, 'birthmark.reload': 'signal:HUP', 'birthmark.agent': 'node' }, 'label-illegal', /birthmark\.agent=node/],
	['a port where no agent looks', { ...named, 'birthmark.port': '8443', 'birthmark.agent': 'node' }, 'label-illegal', /birthmark\.agent=node/],
	['a key that everybody reads', { ...named, 'birthmark.key-mode': '0644' }, 'label-illegal', /owner and at most its group; use 0600, 0640, 0400 or 0440/],
	['a key that the group writes', { ...named, 'birthmark.key-mode': '0660' }, 'label-illegal', /0640/],
	['an unknown format', { ...named, 'birthmark.formats': 'der,jks' }, 'label-illegal', /use pem, .*der/],
	['a format twice', { ...named, 'birthmark.formats': 'der, der' }, 'label-illegal', /twice/],
	['no format at all', { ...named, 'birthmark.formats': '' }, 'label-illegal', /use pem/],
	['an unknown way to the CA', { ...named, 'birthmark.ca': 'pigeon' }, 'label-illegal', /relay or network/],
];

for (const [what, labels, code, sentence] of refused) {
	test(`refuses ${what}`, (t) => {
		const error = t.throws(() => parse(labels), { instanceOf: BirthmarkError });
		t.is(error.code, code);
		t.regex(error.message, sentence);
	});
}
