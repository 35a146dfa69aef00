import { readFileSync } from 'node:fs';
import test from 'ava';
import { parseEngineCall, splitUri } from '../../../../plugin/authz/engine-call.ts';

const paths: readonly (readonly [uri: string, path: string])[] = [
	['/containers/create', '/containers/create'],
	['/v1.41/containers/create?name=x', '/containers/create'],
	['/v01.44/containers/create', '/containers/create'],
	['/v1.44.0/containers/create', '/containers/create'],
	['/%761.44/containers/create', '/containers/create'],
	['/containers/%63reate', '/containers/create'],
	['/containers%2Fcreate', '/containers/create'],
	['//containers//create', '/containers/create'],
	['/x/../containers/./create', '/containers/create'],
	['http://docker/v1.41/containers/create', '/containers/create'],
	['HTTPS://a:1@b/containers/create?x', '/containers/create'],
	['http://docker', '/'],
	['http:/containers/create', '/containers/create'],
	['x:/v1.41/containers%2Fcreate?http://y', '/containers/create'],
	['http:///containers/create', '/containers/create'],
	['http:containers/create', '/containers/create'],
	['/containers/%2563reate', '/containers/%63reate'],
	['/vx/containers/create', '/vx/containers/create'],
	['/containers/a%ffb/start', '/containers/a\u00ffb/start'],
];

for (const [uri, path] of paths) {
	test(`${uri} is ${path}`, (t) => {
		t.is(splitUri(uri).path, path);
	});
}

test('of two names the first counts', (t) => {
	t.is(splitUri('/containers/create?name=a&name=b').query.get('name'), 'a');
});

test('a parameter that Go leaves out is left out', (t) => {
	t.is(splitUri('/commit?container=%zz&container=%2&container=a;b&container=victim').query.get('container'), 'victim');
	t.is(splitUri('/commit??container=a&container=victim').query.get('container'), 'victim');
	t.is(splitUri('/commit?x;container=a&%63ontainer=b+c%2b').query.get('container'), 'b c+');
});

test('the API version is read from any spelling', (t) => {
	t.deepEqual(splitUri('/v1.23/info').apiVersion, [1, 23]);
	t.deepEqual(splitUri('/v01.44.0/info').apiVersion, [1, 44]);
	t.deepEqual(splitUri('/v1/info').apiVersion, [1, 0]);
	t.is(splitUri('/info').apiVersion, undefined);
});

for (const message of ['', '{}', 'null', '[]', '{"RequestMethod":"POST"}', '{"RequestUri":"/info"}', '{"RequestMethod":"","RequestUri":"/x"}', 'POST /x']) {
	test(`${message || 'an empty message'} is no authorization request`, (t) => {
		t.throws(() => parseEngineCall(message), { code: 'request-malformed' });
	});
}

test('body, headers and response are decoded', (t) => {
	const call = parseEngineCall(JSON.stringify({
		RequestMethod: 'POST',
		RequestUri: '/v1.41/containers/create',
		RequestBody: Buffer.from('{}').toString('base64'),
		RequestHeaders: { A: 'b' },
		ResponseStatusCode: 201,
		ResponseBody: Buffer.from('{"Id":"x"}').toString('base64'),
	}));
	t.is(call.body?.toString(), '{}');
	t.is(call.headers['A'], 'b');
	t.is(call.response?.status, 201);
	t.is(call.response?.body.toString(), '{"Id":"x"}');
});

test('a body that the engine did not show is absent', (t) => {
	t.is(parseEngineCall('{"RequestMethod":"POST","RequestUri":"/x"}').body, undefined);
});

interface TargetVector {
	readonly line: string;
	readonly path: string;
	readonly name: string;
}

test('a target means the same here as to the router of the engine', (t) => {
	const vectors = JSON.parse(readFileSync(new URL('../../../vectors/targets/routed.json', import.meta.url), 'utf8')) as TargetVector[];
	t.true(vectors.length > 100);
	for (const { line, path, name } of vectors) {
		const read = splitUri(line.slice(line.indexOf(' ') + 1));
		t.is(read.path, path, line);
		t.is(read.query.get('name') ?? '', name, line);
	}
});

test('the caller is the name in the TLS certificate, and nobody becomes the caller of the socket by a name', (t) => {
	const caller = (fields: object): string => parseEngineCall(JSON.stringify({ RequestMethod: 'GET', RequestUri: '/', ...fields })).caller;
	t.is(caller({}), 'local');
	t.is(caller({ User: 'alice', UserAuthNMethod: 'TLS' }), 'alice');
	t.is(caller({ User: 'local', UserAuthNMethod: 'TLS' }), 'tls/local');
	t.is(caller({ User: '', UserAuthNMethod: 'TLS' }), 'tls/');
	t.is(caller({ UserAuthNMethod: 'TLS' }), 'tls/');
	// Without TLS nobody has proved a name.
	t.is(caller({ User: 'alice' }), 'local');
	t.is(caller({ User: 'alice', UserAuthNMethod: 'basic' }), 'local');
});
