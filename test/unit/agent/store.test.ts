import test from 'ava';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import fs, { mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { decodePem } from '#common/x509/pem.ts';
import { publish, readIdentity } from '../../../agent/store.ts';
import { createPki, issueLeaf, leafDefaults, serialOf } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();

async function makeIdentity() {
	const key = generateSigningKey();
	return { key: exportSigningKey(key), chain: await issueLeaf({ ...leafDefaults('api01', pki, 3600), publicKey: key.publicKey }), bundle: pki.bundle };
}

test('what was published can be read back', async (t) => {
	const directory = tmpfsDirectory(t);
	const identity = await makeIdentity();
	t.is(readIdentity(directory), undefined);
	publish(directory, identity);
	const read = readIdentity(directory)!;
	t.deepEqual({ key: read.key, chain: read.chain, bundle: read.bundle }, identity);
	t.is(read.leaf.serial, serialOf(identity.chain));
});

test('the generation before stays, older ones go', async (t) => {
	const directory = tmpfsDirectory(t);
	for (let count = 0; count < 5; count++) publish(directory, await makeIdentity());
	t.deepEqual(readdirSync(directory).filter((name) => name.startsWith('.')).sort(), ['.generation-4', '.generation-5']);
	t.is(readlinkSync(join(directory, 'current')), '.generation-5');
});

test('what a killed agent left half-written is never shown and goes with the next rotations', async (t) => {
	const directory = tmpfsDirectory(t);
	const first = await makeIdentity();
	publish(directory, first);
	mkdirSync(join(directory, '.generation-2'));
	writeFileSync(join(directory, '.generation-2', 'tls.key'), 'half a key');
	t.is(readIdentity(directory)!.leaf.serial, serialOf(first.chain));
	publish(directory, await makeIdentity());
	publish(directory, await makeIdentity());
	t.deepEqual(readdirSync(directory).filter((name) => name.startsWith('.')).sort(), ['.generation-3', '.generation-4']);
});

test('a name that an application put in the way is replaced', async (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'tls.crt'), 'mine');
	const identity = await makeIdentity();
	publish(directory, identity);
	t.is(readFileSync(join(directory, 'tls.crt'), 'utf8'), identity.chain);
});

test('a link that an application put in place of the current generation is replaced', async (t) => {
	const directory = tmpfsDirectory(t);
	writeFileSync(join(directory, 'current'), 'mine');
	const identity = await makeIdentity();
	t.is(readIdentity(directory), undefined);
	publish(directory, identity);
	t.is(readIdentity(directory)!.leaf.serial, serialOf(identity.chain));
});

test('an identity whose generation is gone is no identity', async (t) => {
	const directory = tmpfsDirectory(t);
	publish(directory, await makeIdentity());
	rmSync(join(directory, '.generation-1'), { recursive: true });
	t.is(readIdentity(directory), undefined);
	symlinkSync('nowhere', join(directory, '.generation-1'));
	t.is(readIdentity(directory), undefined);
});

test.serial('of two agents that publish at the same moment one fails, and takes nothing of the other away', async (t) => {
	const directory = tmpfsDirectory(t);
	const [first, second] = [await makeIdentity(), await makeIdentity()];
	const { mkdirSync: original } = fs;
	t.teardown(() => {
		fs.mkdirSync = original;
		syncBuiltinESMExports();
	});
	// Between the choice of the number and the directory of that number the other one does all its work.
	fs.mkdirSync = ((path: string) => {
		fs.mkdirSync = original;
		syncBuiltinESMExports();
		publish(directory, first);
		return original(path);
	}) as typeof fs.mkdirSync;
	syncBuiltinESMExports();
	const error = t.throws(() => publish(directory, second), { instanceOf: BirthmarkError });
	t.is(error.code, 'directory-unusable');
	t.is(readIdentity(directory)?.leaf.serial, serialOf(first.chain));
});

test('a publication that fails leaves the identity before readable and nothing else behind', async (t) => {
	const directory = tmpfsDirectory(t);
	const first = await makeIdentity();
	publish(directory, first);
	// A directory cannot be replaced by a link: the last steps fail, after the files were written.
	rmSync(join(directory, 'ca.crt'));
	mkdirSync(join(directory, 'ca.crt'));
	const second = await makeIdentity();
	const error = t.throws(() => publish(directory, second), { instanceOf: BirthmarkError });
	t.is(error.code, 'directory-unusable');
	t.is(readFileSync(join(directory, 'identity.pem'), 'utf8'), first.key + first.chain);
	t.deepEqual(readdirSync(directory).filter((name) => name.startsWith('.')), ['.generation-1']);
});

test('every format is there, with the mode that is asked for, whatever the umask is', async (t) => {
	const directory = tmpfsDirectory(t);
	const identity = await makeIdentity();
	publish(directory, identity, { formats: ['pkcs12', 'haproxy', 'der', 'nginx'], keyMode: 0o640, seenAt: '/run/birthmark' });
	const read = (name: string) => readFileSync(join(directory, name));
	t.is(read('haproxy.pem').toString(), identity.chain + identity.key);
	t.true(new X509Certificate(read('tls.crt.der')).checkPrivateKey(createPrivateKey({ key: read('tls.key.der'), type: 'pkcs8', format: 'der' })));
	t.deepEqual(read('tls.crt.der'), Buffer.concat(decodePem('CERTIFICATE', identity.chain)!));
	t.deepEqual(new X509Certificate(read('ca.crt.der')).raw, new X509Certificate(pki.bundle).raw);
	t.is(read('nginx.conf').toString(), 'ssl_certificate /run/birthmark/.generation-1/tls.crt;\nssl_certificate_key /run/birthmark/.generation-1/tls.key;\n');
	const modes = (wanted: number) => readdirSync(join(directory, 'current')).filter((name) => (statSync(join(directory, name)).mode & 0o7777) === wanted).sort();
	t.deepEqual(modes(0o640), ['haproxy.pem', 'identity.p12', 'identity.p12.password', 'identity.pem', 'tls.key', 'tls.key.der']);
	t.deepEqual(modes(0o644), ['ca.crt', 'ca.crt.der', 'ca.p12', 'nginx.conf', 'tls.crt', 'tls.crt.der']);
});

test('the password of the stores stays when the identity changes, and is another in every container', async (t) => {
	const password = (directory: string) => readFileSync(join(directory, 'identity.p12.password'), 'latin1');
	const [one, other] = [tmpfsDirectory(t), tmpfsDirectory(t)];
	const publication = { formats: ['pkcs12'], keyMode: 0o600 } as const;
	publish(one, await makeIdentity(), publication);
	const first = password(one);
	t.regex(first, /^[0-9a-f]{32}$/);
	publish(one, await makeIdentity(), publication);
	t.is(password(one), first);
	publish(other, await makeIdentity(), publication);
	t.not(password(other), first);
	writeFileSync(join(one, 'identity.p12.password'), 'short');
	publish(one, await makeIdentity(), publication);
	t.regex(password(one), /^[0-9a-f]{32}$/);
});

const isRoot = process.geteuid!() === 0;

(isRoot ? test : test.skip)('the files are for whom they are meant, at every write', async (t) => {
	const directory = tmpfsDirectory(t);
	for (const owner of [{ uid: 999, gid: 998 }, { uid: 999, gid: 997 }]) {
		publish(directory, await makeIdentity(), { formats: [], keyMode: 0o400, owner });
		for (const name of ['identity.pem', 'tls.key', 'tls.crt', 'ca.crt']) t.like(statSync(join(directory, name)), owner);
		t.is(statSync(join(directory, 'tls.key')).mode & 0o777, 0o400);
		t.like(statSync(join(directory, 'current')), { uid: 0 }, 'what is in it is the agent\'s to change');
		t.like(statSync(join(directory, 'current', 'agent.tls.key')), { uid: 0, mode: 0o100600 }, 'what the agent needs again it keeps');
	}
});

test('links and pipes that an application put in place of files are not followed', async (t) => {
	const directory = tmpfsDirectory(t);
	const [first, second] = [await makeIdentity(), await makeIdentity()];
	publish(directory, first);
	const elsewhere = tmpfsDirectory(t);
	for (const name of ['tls.key', 'tls.crt', 'ca.crt']) writeFileSync(join(elsewhere, name), 'mine');
	rmSync(join(directory, '.generation-1'), { recursive: true });
	symlinkSync(elsewhere, join(directory, '.generation-1'));
	t.is(readIdentity(directory), undefined);
	publish(directory, second);
	publish(directory, first);
	t.deepEqual(readdirSync(elsewhere), ['ca.crt', 'tls.crt', 'tls.key'], 'nothing was written or removed there');
	const file = join(directory, 'current', 'tls.crt');
	for (const spoil of [() => symlinkSync(join(elsewhere, 'tls.crt'), file), () => void execFileSync('mkfifo', [file]), () => mkdirSync(file), () => writeFileSync(file, Buffer.alloc(2 ** 21))]) {
		rmSync(file, { recursive: true });
		spoil();
		t.is(readIdentity(directory), undefined);
	}
});

for (const [when, call] of [['it was made', 'mkdirSync'], ['its first file was opened', 'openSync']] as const) {
	test.serial(`a generation that the application exchanges for a link right after ${when} leads the agent nowhere`, async (t) => {
		const [directory, elsewhere] = [tmpfsDirectory(t), tmpfsDirectory(t)];
		const identity = await makeIdentity();
		publish(directory, identity);
		const original = fs[call] as (...args: readonly unknown[]) => unknown;
		const restore = () => {
			Object.assign(fs, { [call]: original });
			syncBuiltinESMExports();
		};
		t.teardown(restore);
		const exchange = (...args: readonly unknown[]) => {
			const result = original(...args);
			if (call === 'openSync' && args[1] !== 'wx') return result;
			restore();
			renameSync(join(directory, '.generation-2'), join(directory, 'mine'));
			symlinkSync(elsewhere, join(directory, '.generation-2'));
			return result;
		};
		Object.assign(fs, { [call]: exchange });
		syncBuiltinESMExports();
		try {
			publish(directory, await makeIdentity());
		} catch (error) {
			t.is((error as BirthmarkError).code, 'directory-unusable');
			t.is(readFileSync(join(directory, 'identity.pem'), 'utf8'), identity.key + identity.chain);
		}
		t.deepEqual(readdirSync(elsewhere), []);
	});
}

test('without its trust bundle an identity is none, and the next publication makes it whole', async (t) => {
	const directory = tmpfsDirectory(t);
	const identity = await makeIdentity();
	publish(directory, identity);
	rmSync(join(directory, 'ca.crt'));
	t.truthy(readIdentity(directory), 'a name is only a name');
	rmSync(join(directory, 'current', 'ca.crt'));
	t.is(readIdentity(directory), undefined);
	publish(directory, identity);
	t.is(readFileSync(join(directory, 'ca.crt'), 'utf8'), identity.bundle.toString());
});

test('a generation that the application filled goes as far as it can, and is in nobody\'s way', async (t) => {
	const directory = tmpfsDirectory(t);
	publish(directory, await makeIdentity());
	mkdirSync(join(directory, '.generation-1', 'mine'));
	symlinkSync(tmpfsDirectory(t), join(directory, '.generation-1', 'link'));
	for (let count = 0; count < 3; count++) publish(directory, await makeIdentity());
	t.deepEqual(readdirSync(join(directory, '.generation-1')), ['mine']);
	t.is(readlinkSync(join(directory, 'current')), '.generation-4');
});

// Mounting needs a namespace of one's own, which some machines keep from their users.
const canMount = spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status === 0;
for (const [how, outcome, sentence] of [
	['no bytes', 'directory-full true .generation-1', /is full: .*birthmark\.size/],
	['no inodes', 'directory-full true .generation-1', /is full: .*birthmark\.inodes/],
	['read-only', 'directory-unusable true .generation-1', /mounted read-only/],
	['no /proc', 'published true .generation-1,.generation-2', /^$/],
] as const) {
	(canMount ? test : test.skip)(`a tmpfs with ${how}: the outcome has a name, and the identity before stays whole`, async (t) => {
		const directory = tmpfsDirectory(t);
		const file = join(tmpfsDirectory(t), 'identity.json');
		const identity = await makeIdentity();
		writeFileSync(file, JSON.stringify({ ...identity, bundle: identity.bundle.toString() }));
		const program = fileURLToPath(new URL('../../fakes/spoilt-directory.ts', import.meta.url));
		const { stdout, stderr } = spawnSync('unshare', ['--map-root-user', '--mount', process.execPath, program, directory, file, how], { encoding: 'utf8' });
		const [first, second = ''] = stdout.split('\n');
		t.is(first, outcome, stderr);
		t.regex(second, sentence);
	});
}
