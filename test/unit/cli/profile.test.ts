/** How the command finds its CA, and how a login is kept. */

import test from 'ava';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { loadProfile, profileDirectory, saveProfile } from '../../../cli/profile.ts';
import { temporaryFolder } from '../../support/ca.ts';

const LOGIN = { way: 'tls', urls: ['https://ca.example:33004', 'https://ca2.example:33004'], key: 'KEY-MATERIAL', certificate: 'CERTIFICATE', bundle: 'BUNDLE' } as const;

test('a login is kept for this user only, and found again', async (t) => {
	const home = join(temporaryFolder(t), 'deep/home');
	const file = await saveProfile(LOGIN, { BIRTHMARK_HOME: home });
	t.is(file, join(home, 'operator.json'));
	t.is(statSync(file).mode & 0o777, 0o600);
	t.is(statSync(home).mode & 0o777, 0o700);
	t.deepEqual(loadProfile(undefined, { BIRTHMARK_HOME: home }), LOGIN);
});

test('a new login takes the place of the old, and its mode is put right', async (t) => {
	const home = temporaryFolder(t);
	const file = await saveProfile(LOGIN, { BIRTHMARK_HOME: home });
	chmodSync(file, 0o644);
	await saveProfile({ ...LOGIN, urls: ['https://other.example'] }, { BIRTHMARK_HOME: home });
	t.is(statSync(file).mode & 0o777, 0o600);
	t.like(loadProfile(undefined, { BIRTHMARK_HOME: home }), { urls: ['https://other.example'] });
});

test('a socket that is named goes before the environment, and both before the login', async (t) => {
	const BIRTHMARK_HOME = temporaryFolder(t);
	await saveProfile(LOGIN, { BIRTHMARK_HOME });
	const BIRTHMARK_CA_SOCKET = '/from/environment';
	t.deepEqual(loadProfile('/named', { BIRTHMARK_HOME, BIRTHMARK_CA_SOCKET }), { way: 'socket', path: '/named' });
	t.deepEqual(loadProfile(undefined, { BIRTHMARK_HOME, BIRTHMARK_CA_SOCKET }), { way: 'socket', path: '/from/environment' });
	t.deepEqual(loadProfile(undefined, { BIRTHMARK_HOME, BIRTHMARK_CA_SOCKET: '' }), LOGIN);
});

for (const [environment, expected] of [
	[{ BIRTHMARK_HOME: '/b', XDG_CONFIG_HOME: '/x' }, '/b'],
	[{ XDG_CONFIG_HOME: '/x' }, '/x/birthmark'],
	[{}, join(homedir(), '.config/birthmark')],
	[{ BIRTHMARK_HOME: '', XDG_CONFIG_HOME: '' }, join(homedir(), '.config/birthmark')],
	[{ XDG_CONFIG_HOME: 'relative' }, join(homedir(), '.config/birthmark')],
] as const) {
	test(`with ${JSON.stringify(environment)} the login is in ${expected}`, (t) => t.is(profileDirectory(environment), expected));
}

test('without socket and login the operator is told how to get one', (t) => {
	const error = t.throws(() => loadProfile(undefined, { BIRTHMARK_HOME: join(temporaryFolder(t), 'nothing') }), { instanceOf: BirthmarkError });
	t.is(error?.code, 'unauthenticated');
	t.regex(error!.message, /birthmark login.*--ca-socket/);
});

test('a login that version 0.1 saved is one with a single address', (t) => {
	const home = temporaryFolder(t);
	const { key, certificate, bundle } = LOGIN;
	writeFileSync(join(home, 'operator.json'), JSON.stringify({ version: 1, url: 'https://ca.example:33004', key, certificate, bundle }));
	t.deepEqual(loadProfile(undefined, { BIRTHMARK_HOME: home }), { ...LOGIN, urls: ['https://ca.example:33004'] });
});

const saved = (change: object): string => JSON.stringify({ version: 2, urls: LOGIN.urls, key: LOGIN.key, certificate: 'C', bundle: 'B', ...change });
for (const [name, content, message] of [
	['that is empty', '', /is not JSON; run "birthmark login" again$/],
	['that is cut off', saved({}).slice(0, -20), /is not JSON/],
	['with a stray word', `{"key":KEY-MATERIAL}`, /is not JSON/],
	['that is a list', '[]', /\(top\)/],
	['of another version', saved({ version: 3 }), /version: /],
	['of version 1 with what only version 2 knows', saved({ version: 1 }), /url: /],
	['without an address', saved({ urls: [] }), /urls: /],
	['without a key', saved({ key: undefined }), /key: /],
	['with more than is known', saved({ token: 'KEY-MATERIAL' }), /Unrecognized key: "token"/],
	['for http', saved({ urls: ['http://ca.example'] }), /urls\.0: /],
	['for no address', saved({ urls: ['https://a.example', 'KEY-MATERIAL'] }), /urls\.1: /],
] as const) {
	test(`a login ${name} is refused with its path, and nothing of it is shown`, (t) => {
		const BIRTHMARK_HOME = temporaryFolder(t);
		const file = join(BIRTHMARK_HOME, 'operator.json');
		writeFileSync(file, content);
		const error = t.throws(() => loadProfile(undefined, { BIRTHMARK_HOME }), { instanceOf: BirthmarkError, message });
		t.is(error?.code, 'config-invalid');
		t.true(error?.message.startsWith(file));
		t.false(error?.message.includes('KEY-MATERIAL'));
		t.is(error?.cause, undefined);
		t.is(readFileSync(file, 'utf8'), content);
	});
}

test('a login that cannot be read is not taken for none', (t) => {
	const BIRTHMARK_HOME = temporaryFolder(t);
	mkdirSync(join(BIRTHMARK_HOME, 'operator.json'));
	const error = t.throws(() => loadProfile(undefined, { BIRTHMARK_HOME }), { instanceOf: BirthmarkError, message: /cannot be read \(EISDIR\)$/ });
	t.is(error?.code, 'config-invalid');
});
