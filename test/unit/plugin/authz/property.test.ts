/** What the plugin reads from engines and users: what holds for every input. */

import test from 'ava';
import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkDnsName, checkName } from '#common/protocol/names.ts';
import { JsonObject, parseStrictJson, parseUniqueJson, type JsonValue } from '#common/protocol/strict-json.ts';
import { parseCreateBody } from '../../../../plugin/authz/create-body.ts';
import { parseEngineCall, splitUri } from '../../../../plugin/authz/engine-call.ts';
import { structFields } from '../../../../plugin/authz/go-struct.ts';
import { parseIdentityLabels } from '../../../../plugin/authz/labels.ts';
import { lookUpUser, plainOwner } from '../../../../plugin/users/user-lookup.ts';
import { mutated } from '../../../support/mutation.ts';
import { holds } from '../../../support/property.ts';

/** The value, or undefined when it was refused; whatever else is thrown is a fault. */
function attempt<T>(work: () => T, refusal: typeof BirthmarkError | typeof SyntaxError = BirthmarkError): T | undefined {
	try {
		return work();
	} catch (error) {
		ok(error instanceof refusal, String(error));
		return undefined;
	}
}

/** The tree as JSON.parse would give it. */
function plain(value: JsonValue): unknown {
	if (value instanceof JsonObject) {
		const result: Record<string, unknown> = {};
		for (const [key, inner] of value.entries) Object.defineProperty(result, key, { value: plain(inner), enumerable: true, configurable: true, writable: true });
		return result;
	}
	return Array.isArray(value) ? value.map(plain) : value;
}

const CREATE = Buffer.from(JSON.stringify({
	Image: 'nginx:1', User: '1000:1000', Labels: { 'birthmark.cn': 'api01', 'birthmark.ou': 'web-api' }, Volumes: { '/data': {} },
	HostConfig: { Binds: ['/a:/b:ro'], Mounts: [{ Type: 'volume', Target: '/run/birthmark', VolumeOptions: { DriverConfig: { Name: 'birthmark', Options: {} } } }], Privileged: false, CapAdd: ['NET_ADMIN'] },
}));

test('JSON is taken exactly when JSON.parse takes it, and means the same', (t) => {
	const text = fc.oneof(fc.json(), fc.json().chain((json) => mutated(Buffer.from(json)).map((bytes) => bytes.toString('utf8'))), fc.string({ unit: 'binary' }));
	holds(t, 2000, fc.property(text, (value) => {
		let expected: unknown;
		try {
			expected = JSON.parse(value);
		} catch {
			return equal(attempt(() => parseStrictJson(Buffer.from(value)), SyntaxError), undefined);
		}
		const read = attempt(() => ({ value: parseStrictJson(Buffer.from(value)) }), SyntaxError);
		// A lone surrogate has no UTF-8; nesting has a bound of its own.
		if (read) deepEqual(plain(read.value), expected);
		else ok(!value.isWellFormed() || /[[{]/.test(value), value);
		const unique = attempt(() => ({ value: parseUniqueJson(Buffer.from(value)) }), SyntaxError);
		if (unique) deepEqual(unique.value, expected);
	}));
});

test('two keys that an engine could take for one are refused, whatever their case', (t) => {
	const key = fc.stringMatching(/^[A-Za-z]{1,12}$/);
	const cases = (text: string) => fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map((upper) => [...text].map((letter, index) => (upper[index] ? letter.toUpperCase() : letter.toLowerCase())).join(''));
	const pair = key.chain((text) => fc.tuple(cases(text), cases(text), fc.jsonValue(), fc.jsonValue()));
	holds(t, 300, fc.property(pair, ([one, other, first, second]) => {
		const text = `{${JSON.stringify(one)}:${JSON.stringify(first)},${JSON.stringify(other)}:${JSON.stringify(second)}}`;
		equal(attempt(() => structFields(parseStrictJson(Buffer.from(text)), 'HostConfig')), undefined, text);
	}));
	holds(t, 300, fc.property(key, fc.jsonValue(), (name, value) => {
		const fields = attempt(() => structFields(parseStrictJson(Buffer.from(JSON.stringify({ [name]: value }))), 'HostConfig'))!;
		equal(fields.has(name.toLowerCase()), value !== null);
	}));
});

test('a mutated create request is read or refused, and never a fault', (t) => {
	const tokens = ['Labels', 'HostConfig', 'Mounts', 'birthmark.cn', 'Binds', 'VolumeOptions'];
	const swapped = fc.tuple(fc.constantFrom(...tokens), fc.oneof(fc.constantFrom(...tokens), fc.string())).map(([from, to]) => Buffer.from(CREATE.toString().replace(from, JSON.stringify(to).slice(1, -1))));
	let read = 0;
	holds(t, 1500, fc.property(fc.oneof(mutated(CREATE), swapped, fc.json().map((json) => Buffer.from(json))), (bytes) => {
		const body = attempt(() => parseCreateBody(bytes));
		if (!body) return;
		read++;
		for (const text of [body.image, body.user, body.volumeDriver, ...body.binds, ...body.volumesFrom, ...body.capAdd, ...body.otherTargets, ...body.labels.values()]) equal(typeof text, 'string');
	}));
	t.true(read > 0);
});

test('labels are an identity with legal names, no identity, or refused', (t) => {
	const name = fc.oneof(fc.constantFrom('birthmark.cn', 'birthmark.ou', 'birthmark.dns', 'birthmark.ttl', 'birthmark.uid', 'birthmark.gid', 'birthmark.mode', 'birthmark.key-mode', 'birthmark.formats', 'birthmark.ca'), fc.string(), fc.string().map((text) => `birthmark.${text}`));
	const value = fc.oneof(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), fc.string(), fc.string({ unit: 'binary' }), fc.nat().map(String), fc.constantFrom('24h', '15m', '0750', '0640', '0777', 'haproxy,der', 'relay', 'network', '9s', 'api.example.com,api'));
	const right = fc.record({ 'birthmark.cn': fc.stringMatching(/^[a-z]{1,5}$/), 'birthmark.ou': fc.stringMatching(/^[a-z]{1,5}$/) }, { noNullPrototype: true });
	let read = 0;
	holds(t, 2000, fc.property(fc.oneof(fc.constant({}), right), fc.dictionary(name, value, { maxKeys: 4 }), (base, more) => {
		const labels = new Map(Object.entries({ ...base, ...more }));
		const identity = attempt(() => parseIdentityLabels(labels));
		const isAsked = [...labels.keys()].some((key) => key.startsWith('birthmark.'));
		if (!isAsked) return equal(identity, undefined);
		if (!identity) return;
		read++;
		checkName('common name', identity.names.commonName);
		checkName('role', identity.names.organizationalUnit);
		for (const dnsName of identity.names.dnsNames) checkDnsName(dnsName);
		equal(identity.names.commonName, labels.get('birthmark.cn'));
		equal((identity.mode ?? 0o700) & 0o7022, 0);
		equal((identity.mode ?? 0o700) & 0o700, 0o700);
		ok((identity.lifetimeSeconds ?? 10) >= 10 && Number.isSafeInteger(identity.lifetimeSeconds ?? 10));
		for (const id of [identity.uid ?? 0, identity.gid ?? 0]) ok(Number.isInteger(id) && id >= 0 && id < 2 ** 32 - 1);
	}));
	t.true(read > 0);
});

test('the user of a container is two numbers or refused', (t) => {
	const field = fc.oneof(fc.constantFrom('', 'root', 'app', '0', '1000', '99999999999'), fc.stringMatching(/^[0-9a-z]{0,11}$/));
	const file = fc.array(fc.array(field, { maxLength: 5 }).map((fields) => fields.join(':'))).map((lines) => lines.join('\n'));
	holds(t, 500, fc.property(fc.oneof(fc.string(), fc.tuple(field, field).map((fields) => fields.join(':'))), file, file, (user, passwd, group) => {
		const owners = [attempt(() => plainOwner(user)), attempt(() => lookUpUser(user, { passwd, group }))];
		for (const owner of owners) if (owner) for (const id of [owner.uid, owner.gid]) ok(Number.isInteger(id) && id >= 0 && id < 2 ** 31);
	}));
});

test('a path is read once: however a request target is dressed up, it is absolute, clean and without query', (t) => {
	const part = fc.oneof(fc.constantFrom('..', '.', '', '%2e%2e', '%2F', 'v1.41', 'v1.99999', 'containers', 'create', '%63ontainers', '\\', 'http:', '%00'), fc.string({ maxLength: 8 }));
	holds(t, 1500, fc.property(fc.constantFrom('', '/', '//', 'http://x/', 'http+unix://'), fc.array(part, { maxLength: 6 }), fc.oneof(fc.constant(''), fc.webQueryParameters().map((query) => `?${query}`)), (start, parts, query) => {
		const { path, apiVersion } = splitUri(start + parts.join('/') + query);
		ok(path.startsWith('/') && !path.split('/').includes('..') && !path.includes('//'), path);
		for (const number of apiVersion ?? []) ok(!Number.isNaN(number), path);
	}));
});

test('whatever an engine posts is a call with method and address, or refused', (t) => {
	const original = Buffer.from(JSON.stringify({ RequestMethod: 'POST', RequestUri: '/v1.41/containers/create?name=x', RequestBody: CREATE.toString('base64'), RequestHeaders: { 'Content-Type': 'application/json' } }));
	holds(t, 800, fc.property(fc.oneof(fc.json(), mutated(original).map((bytes) => bytes.toString('utf8')), fc.string()), (message) => {
		const call = attempt(() => parseEngineCall(message));
		if (call) ok(call.method !== '' && call.path.startsWith('/'));
	}));
});
