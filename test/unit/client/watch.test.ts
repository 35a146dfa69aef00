import test, { type ExecutionContext } from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { identity, type IdentityWatch } from '../../../client/watch.ts';
import { createPki } from '../../fakes/ca.ts';
import { identityDirectory } from '../../fakes/identity-directory.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();

async function watch(t: ExecutionContext, directory: string): Promise<IdentityWatch> {
	const me = await identity({ directory });
	t.teardown(() => me.close());
	return me;
}

// A watch keeps no process alive, and here nothing else does.
const alive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(alive));

/** The next change or problem. */
async function next(me: IdentityWatch, event: 'change' | 'problem' = 'change'): Promise<unknown> {
	return (await once(me, event))[0];
}

test('an identity says whose it is', async (t) => {
	const { directory, serial } = await identityDirectory(t, 'api01', pki);
	const { current } = await watch(t, directory);
	t.like(current, {
		spiffeId: 'spiffe://birthmark.internal/production/web-api/api01',
		trustDomain: 'birthmark.internal',
		commonName: 'api01',
		organizationalUnit: 'web-api',
		organization: 'production',
		dnsNames: ['api01'],
		serial,
		isWorkload: true,
		isExpired: false,
	});
	t.true(current.notAfter > new Date());
	t.regex(current.key, /^-----BEGIN PRIVATE KEY-----/);
	t.is(current.bundle, pki.bundle.toString());
});

test('the key is in no log by accident', async (t) => {
	const { directory } = await identityDirectory(t, 'api01', pki);
	const me = await watch(t, directory);
	for (const text of [JSON.stringify(me.current), inspect(me.current, { depth: 9, showHidden: true }), inspect(me, { depth: 9 })]) t.notRegex(text, /PRIVATE KEY/);
});

test('each publication is seen, also when only the bundle is another', async (t) => {
	const published = await identityDirectory(t, 'api01', pki);
	const me = await watch(t, published.directory);
	for (let round = 0; round < 5; round++) {
		const changed = next(me);
		const serial = await published.rotate();
		await changed;
		t.is(me.current.serial, serial);
	}
	const changed = next(me);
	const both = Buffer.concat([(await createPki('Next')).bundle, pki.bundle]);
	await published.rotate({ bundle: both });
	await changed;
	t.is(me.current.bundle, both.toString());
});

test('a new revocation list is a change, the same one again is none', async (t) => {
	const published = await identityDirectory(t, 'api01', pki);
	const me = await watch(t, published.directory);
	const { crl } = me.current;
	const seen: string[] = [];
	me.on('change', (current) => seen.push(current.crl ?? ''));
	writeFileSync(join(published.directory, 'again'), crl!);
	renameSync(join(published.directory, 'again'), join(published.directory, 'crl.pem'));
	const changed = next(me);
	published.revoke('0badcafe');
	await changed;
	t.deepEqual(seen, [me.current.crl]);
	t.not(me.current.crl, crl);
});

test('the watch is there before the identity, its directory and the one above', async (t) => {
	const root = tmpfsDirectory(t);
	const directory = join(root, 'run', 'birthmark');
	const waiting = identity({ directory });
	await new Promise((resolve) => setImmediate(resolve));
	mkdirSync(join(root, 'run'));
	await new Promise((resolve) => setImmediate(resolve));
	mkdirSync(directory);
	const published = await identityDirectory(t, 'api01', pki, directory);
	const me = await waiting;
	t.teardown(() => me.close());
	t.is(me.current.serial, published.serial);
	const changed = next(me);
	await published.rotate();
	await changed;
	t.is(me.current.serial, published.serial);
});

test('a directory that takes the place of another is followed', async (t) => {
	const root = tmpfsDirectory(t);
	const directory = join(root, 'birthmark');
	mkdirSync(directory);
	await identityDirectory(t, 'api01', pki, directory);
	const me = await watch(t, directory);
	const spare = join(root, 'spare');
	mkdirSync(spare);
	const published = await identityDirectory(t, 'api01', pki, spare);
	const changed = next(me);
	renameSync(directory, join(root, 'old'));
	renameSync(spare, directory);
	await changed;
	t.is(me.current.serial, published.serial);
	mkdirSync(spare);
	const again = await identityDirectory(t, 'api01', pki, spare);
	const changedAgain = next(me);
	rmSync(directory, { recursive: true });
	renameSync(spare, directory);
	await changedAgain;
	t.is(me.current.serial, again.serial);
});

test('a directory that goes, and comes back later, is followed', async (t) => {
	const root = tmpfsDirectory(t);
	const directory = join(root, 'birthmark');
	mkdirSync(directory);
	await identityDirectory(t, 'api01', pki, directory);
	const me = await watch(t, directory);
	const { serial } = me.current;
	const gone = next(me, 'problem');
	rmSync(directory, { recursive: true });
	t.is((await gone as BirthmarkError).code, 'identity-missing');
	t.is(me.current.serial, serial);
	const changed = next(me);
	mkdirSync(directory);
	const published = await identityDirectory(t, 'api01', pki, directory);
	await changed;
	t.is(me.current.serial, published.serial);
});

test('what cannot be used is told, and the identity before stays', async (t) => {
	const published = await identityDirectory(t, 'api01', pki);
	const me = await watch(t, published.directory);
	const { current } = me;
	const broken = join(published.directory, '.generation-77');
	mkdirSync(broken);
	writeFileSync(join(broken, 'identity.pem'), current.key + (await createPki('Other')).bundle.toString());
	writeFileSync(join(broken, 'ca.crt'), current.bundle);
	const put = (target: string): void => {
		symlinkSync(target, join(published.directory, 'next'));
		renameSync(join(published.directory, 'next'), join(published.directory, 'current'));
	};
	const problem = async (cause: () => void): Promise<string> => {
		const told = next(me, 'problem');
		cause();
		return ((await told) as BirthmarkError).code;
	};
	t.is(await problem(() => put('.generation-77')), 'certificate-invalid');
	t.is(await problem(() => put('.generation-78')), 'identity-missing');
	t.is(await problem(() => unlinkSync(join(published.directory, 'current'))), 'identity-missing');
	t.is(me.current, current);
	const changed = next(me);
	const serial = await published.rotate();
	await changed;
	t.is(me.current.serial, serial);
	t.is(await problem(() => unlinkSync(join(published.directory, 'crl.pem'))), 'identity-missing');
	writeFileSync(join(published.directory, 'x'), 'no list');
	t.is(await problem(() => renameSync(join(published.directory, 'x'), join(published.directory, 'crl.pem'))), 'certificate-invalid');
	t.is(me.current.serial, serial);
});

test('who waits for nothing is told what is missing; who gives up gets the reason of the signal', async (t) => {
	const directory = tmpfsDirectory(t);
	const missing = await t.throwsAsync(identity({ directory, timeoutMs: 10 }), { instanceOf: BirthmarkError, code: 'identity-missing' });
	t.regex(missing.message, /birthmark-agent exec/);
	const controller = new AbortController();
	const waiting = identity({ directory, signal: controller.signal });
	controller.abort(new Error('changed my mind'));
	await t.throwsAsync(waiting, { message: 'changed my mind' });
	await t.throwsAsync(identity({ directory, signal: controller.signal }), { message: 'changed my mind' });
});

test('without a revocation list there is no identity, unless it is asked to go without', async (t) => {
	const { directory, serial } = await identityDirectory(t, 'api01', pki);
	unlinkSync(join(directory, 'crl.pem'));
	await t.throwsAsync(identity({ directory, timeoutMs: 10 }), { code: 'identity-missing', message: /crl/ });
	const me = await identity({ directory, crl: false });
	t.teardown(() => me.close());
	t.is(me.current.serial, serial);
	t.false('crl' in me.current.tlsOptions);
});

test('an identity that expired is not shown to anybody', async (t) => {
	const published = await identityDirectory(t, 'api01', pki);
	const me = await watch(t, published.directory);
	t.is(me.requireValid(), me.current);
	const changed = next(me);
	await published.rotate({ notBefore: new Date(Date.now() - 7200_000), notAfter: new Date(Date.now() - 3600_000) });
	await changed;
	t.true(me.current.isExpired);
	t.throws(() => me.requireValid(), { code: 'identity-expired', message: /birthmark-agent status/ });
	t.throws(() => me.clientOptions(), { code: 'identity-expired' });
});

test('whoever iterates gets the identity in use, then the newest, until the watch is closed', async (t) => {
	const published = await identityDirectory(t, 'api01', pki);
	const me = await watch(t, published.directory);
	const seen: string[] = [];
	for await (const { serial } of me) {
		seen.push(serial);
		if (seen.length === 3) me.close();
		else await published.rotate();
	}
	t.is(seen.length, 3);
	t.is(new Set(seen).size, 3);
	t.is(seen[2], published.serial);
});

test('a closed watch changes no more', async (t) => {
	const published = await identityDirectory(t, 'api01', pki);
	const me = await watch(t, published.directory);
	const { serial } = me.current;
	me.close();
	await published.rotate();
	me.refresh();
	t.is(me.current.serial, serial);
});

test('a watch keeps no process alive, waiting for the first identity does', async (t) => {
	const { directory } = await identityDirectory(t, 'api01', pki);
	const run = async (script: string): Promise<{ code: number; output: string }> => {
		const child = spawn(process.execPath, ['--input-type=module', '-e', `import { identity } from 'birthmark/client';\n${script}`], { stdio: ['ignore', 'pipe', 'inherit'] });
		let output = '';
		child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
		const [code] = (await once(child, 'close')) as [number];
		return { code, output };
	};
	t.deepEqual(await run(`const me = await identity({ directory: ${JSON.stringify(directory)} }); console.log(me.current.commonName); me.agent(); me.on('change', () => {});`), { code: 0, output: 'api01\n' });
	const late = tmpfsDirectory(t);
	t.deepEqual(await run(`await identity({ directory: ${JSON.stringify(late)}, timeoutMs: 200 }).catch((error) => console.log(error.code));`), { code: 0, output: 'identity-missing\n' });
});
