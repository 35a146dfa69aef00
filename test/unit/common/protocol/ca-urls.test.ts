import test from 'ava';
import { hostAndPort, parseCaUrls } from '#common/protocol/ca-urls.ts';

for (const [text, urls] of [
	['https://ca.example:33004', ['https://ca.example:33004']],
	['https://ca.example/', ['https://ca.example']],
	['https://b:1,https://a:2', ['https://b:1', 'https://a:2']],
	[' https://b:1 , https://a:2\n', ['https://b:1', 'https://a:2']],
	['https://CA.example:443,https://ca.example', ['https://ca.example']],
	['https://[2001:db8::1]:33004', ['https://[2001:db8::1]:33004']],
] as const) {
	test(`${JSON.stringify(text)} is ${urls.join(' and ')}`, (t) => t.deepEqual(parseCaUrls(text), urls));
}

for (const text of ['', ',', 'https://a,', ',https://a', 'https://a;https://b', 'http://a', 'a:1', 'https://a/x', 'https://a?x', 'https://a#x', 'https://u:p@a', 'https://a https://b', Array.from({ length: 9 }, (_, index) => `https://a${index}`).join()]) {
	test(`${JSON.stringify(text)} is no list of addresses`, (t) => t.is(parseCaUrls(text), undefined));
}

test('host and port are as a socket wants them', (t) => {
	t.deepEqual(hostAndPort('https://[2001:db8::1]:33004'), { host: '2001:db8::1', port: 33004 });
	t.deepEqual(hostAndPort('https://ca.example'), { host: 'ca.example', port: 443 });
});
