/** The CA's configuration. */

import test from 'ava';
import { readCaConfig } from '../../../ca/config.ts';

test('an empty file means the defaults', (t) => {
	const config = readCaConfig('{}', {});
	t.like(config, { trustDomain: 'birthmark.internal', environment: 'production', listen: { host: '0.0.0.0', port: 33004 }, tokenTtlSeconds: 120, logLevel: 'info' });
	t.like(config.profiles, { workload: { lifetimeSeconds: 86_400, maximumSeconds: 604_800 }, node: { lifetimeSeconds: 2_592_000 }, server: { lifetimeSeconds: 86_400 } });
	t.true(Object.isFrozen(config) && Object.isFrozen(config.profiles.workload.keyTypes));
});

test('the environment wins over the file, and the file over the defaults', (t) => {
	const config = readCaConfig('{"listen": {"port": 1}, "tokenTtlSeconds": 5, "environment": "file"}', {
		BIRTHMARK_CA_LISTEN_PORT: '2',
		BIRTHMARK_CA_PROFILES_WORKLOAD_MAXIMUM_SECONDS: '90000',
		BIRTHMARK_CA_PROFILES_NODE_KEY_TYPES: 'P-384,Ed25519',
		BIRTHMARK_CA_PROFILES_CA_NAME_CONSTRAINTS_TRUST_DOMAIN: 'true',
		BIRTHMARK_CA_CRL_REFRESH_SECONDS: '7',
		BIRTHMARK_CA_ENVIRONMENT: '',
		BIRTHMARK_CA_PORT: 'tcp://10.0.0.1:33004',
	});
	t.like(config, { listen: { host: '0.0.0.0', port: 2 }, tokenTtlSeconds: 5, environment: 'file', crl: { refreshSeconds: 7 } });
	t.is(config.profiles.workload.maximumSeconds, 90_000);
	t.deepEqual(config.profiles.node.keyTypes, ['P-384', 'Ed25519']);
	t.true(config.profiles.ca.nameConstraints.trustDomain);
});

test('what is off by default is turned on by the environment', (t) => {
	t.deepEqual(readCaConfig('{}', {}).publicHttp, { host: '0.0.0.0', port: null, url: null });
	const config = readCaConfig('{}', { BIRTHMARK_CA_PUBLIC_HTTP_PORT: '33005', BIRTHMARK_CA_PUBLIC_HTTP_URL: 'http://ca.example.com:33005' });
	t.like(config.publicHttp, { port: 33_005, url: 'http://ca.example.com:33005' });
});

test('every fault is told at once, with its path, wherever it came from', (t) => {
	const error = t.throws(() => readCaConfig('{"listen": {"port": 70000, "colour": 1}, "surprise": true, "trustDomain": "UPPER"}', { BIRTHMARK_CA_TOKEN_TTL_SECONDS: 'soon' }));
	t.like(error, { code: 'config-invalid' });
	const long = 'a'.repeat(61);
	t.is(readCaConfig(JSON.stringify({ trustDomain: `${long}.io` }), {}).trustDomain, `${long}.io`);
	t.throws(() => readCaConfig(JSON.stringify({ trustDomain: `${long}.dev` }), {}), { message: /trustDomain: is longer than 64/ });
	for (const fault of [/listen\.port: /, /listen: .*colour/, /surprise/, /trustDomain: /, /tokenTtlSeconds: /]) t.regex(error.message, fault);
});

const FAULTS: Readonly<Record<string, string>> = {
	'text that is no JSON': '{',
	'a list': '[]',
	'a lifetime beyond the maximum': '{"profiles": {"workload": {"lifetimeSeconds": 700000}}}',
	'lists that run out before the next is made': '{"crl": {"refreshSeconds": 100, "lifetimeSeconds": 100}}',
	'OCSP answers that run out in caches': '{"ocsp": {"lifetimeSeconds": 60, "cacheSeconds": 60}}',
	'OCSP answers that outlive their signer': '{"ocsp": {"lifetimeSeconds": 50000}}',
	'a public URL over TLS': '{"publicHttp": {"url": "https://ca.example.com"}}',
	'a public URL with a query': '{"publicHttp": {"url": "http://ca.example.com?a=b"}}',
	'a public URL with a slash at its end': '{"publicHttp": {"url": "http://ca.example.com/"}}',
	'a public URL with a password': '{"publicHttp": {"url": "http://a:b@ca.example.com"}}',
	'a fraction of a second': '{"tokenTtlSeconds": 0.5}',
	'a reserved environment': '{"environment": "birthmark"}',
	'a string where a section belongs': '{"listen": "0.0.0.0:1"}',
	'nothing where a section belongs': '{"listen": null}',
	'a list where a section belongs': '{"profiles": []}',
};
for (const [name, text] of Object.entries(FAULTS)) {
	test(`${name} is a fault`, (t) => {
		t.like(t.throws(() => readCaConfig(text, {})), { code: 'config-invalid' });
	});
}

test('a database server on another host is reached by TLS that proves who it is, unless the configuration says otherwise', (t) => {
	const read = (url: string) => readCaConfig('{}', { DATABASE_URL: url }).database.url;
	const remote = 'postgresql://ca:s3cret@db.example.com:5432/ca';
	for (const url of [`${remote}?sslmode=verify-full`, `${remote}?sslmode=disable`, 'postgres://ca@127.0.0.1/ca', 'postgres://ca@[::1]/ca', 'postgresql:///ca?host=/run/postgresql']) t.is(read(url), url);
	for (const url of [remote, `${remote}?sslmode=no-verify`, `${remote}?sslmode=require`, `${remote}?sslmode=verify-full&uselibpqcompat=true`, 'postgres://ca@127.0.0.1/ca?host=db.example.com', 'mysql://localhost/ca', 'ca.db',
		`${remote}?sslmode=verify-full&sslmode=no-verify`, 'postgres://ca@localhost/ca?host=127.0.0.1&host=db.example.com', 'postgresql:///ca', 'postgres://ca@127.0.0.1/ca?options=-c%20statement_timeout%3D0', `${remote}?sslmode=verify-full&channel_binding=require`]) {
		const error = t.throws(() => read(url), { message: /database\.url: / }, url);
		t.false(error.message.includes('s3cret'));
	}
});

test('BIRTHMARK_CA_DATABASE_URL wins over DATABASE_URL', (t) => {
	const { database } = readCaConfig('{}', { DATABASE_URL: 'postgresql://localhost/one', BIRTHMARK_CA_DATABASE_URL: 'postgresql://localhost/two' });
	t.is(database.url, 'postgresql://localhost/two');
});
