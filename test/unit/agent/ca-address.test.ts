import test from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { readCaAddresses } from '../../../agent/ca-address.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

test('the relay is a socket on the volume', (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'agent.json'), '{"version":1,"ca":{"way":"relay"}}');
	t.deepEqual(readCaAddresses(directory), [{ socketPath: join(directory, 'ca.sock') }]);
});

test('the network is the URL that the plugin wrote', (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'agent.json'), '{"version":1,"ca":{"way":"network","url":"https://ca.example:33004"}}');
	t.deepEqual(readCaAddresses(directory), [{ host: 'ca.example', port: 33004 }]);
});

test('of a CA with several instances the plugin wrote all URLs, in their order', (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'agent.json'), '{"version":1,"ca":{"way":"network","url":"https://b:1","urls":["https://b:1","https://a:2"]}}');
	t.deepEqual(readCaAddresses(directory), [{ host: 'b', port: 1 }, { host: 'a', port: 2 }]);
});

test('--ca-url takes several, separated by commas', (t) => {
	t.deepEqual(readCaAddresses('/nowhere', 'https://b:1, https://a'), [{ host: 'b', port: 1 }, { host: 'a', port: 443 }]);
});

const urls: ReadonlyArray<readonly [string, { host: string; port: number }]> = [
	['https://ca.example', { host: 'ca.example', port: 443 }],
	['https://ca.example:33004/', { host: 'ca.example', port: 33004 }],
	['https://[2001:db8::1]:33004', { host: '2001:db8::1', port: 33004 }],
];
for (const [url, address] of urls) {
	test(`--ca-url ${url} needs no agent.json`, (t) => {
		t.deepEqual(readCaAddresses('/nowhere', url), [address]);
	});
}

for (const url of ['http://ca.example', 'ca.example:33004', 'https://user:x@ca.example', 'https://ca.example/path', 'https://ca.example/?a=1', 'https://ca.example,', 'https://a,http://b', '']) {
	test(`"${url}" is no address of a CA`, (t) => {
		t.is(t.throws(() => readCaAddresses('/nowhere', url), { instanceOf: BirthmarkError }).code, 'config-invalid');
	});
}

for (const [what, text, code] of [
	['no JSON', 'relay', 'config-invalid'],
	['another version', '{"version":2,"ca":{"way":"relay"}}', 'config-invalid'],
	['an unknown way', '{"version":1,"ca":{"way":"pigeon"}}', 'config-invalid'],
	['nothing about the CA', '{"version":1}', 'config-invalid'],
	['no URL in its list', '{"version":1,"ca":{"way":"network","urls":[]}}', 'config-invalid'],
	['a list of something else', '{"version":1,"ca":{"way":"network","urls":[1]}}', 'config-invalid'],
	['null', 'null', 'config-invalid'],
	['a list', '[]', 'config-invalid'],
] as const) {
	test(`agent.json with ${what} is refused`, (t) => {
		const directory = tmpfsDirectory(t);
		writeFileSync(join(directory, 'agent.json'), text);
		t.is(t.throws(() => readCaAddresses(directory), { instanceOf: BirthmarkError }).code, code);
	});
}

test('a directory that no plugin prepared is named, with the way out', (t) => {
	const error = t.throws(() => readCaAddresses(tmpfsDirectory(t)), { instanceOf: BirthmarkError });
	t.is(error.code, 'directory-unusable');
	t.regex(error.message, /--ca-url/);
});
