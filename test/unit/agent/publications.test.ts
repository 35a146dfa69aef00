import test from 'ava';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { watchPublications } from '../../../agent/publications.ts';
import { publish } from '../../../agent/store.ts';
import { createPki, issueLeaf, leafDefaults, serialOf, successorOf } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const pki = await createPki();

async function newIdentity(commonName = 'api01') {
	const key = generateSigningKey();
	const chain = await issueLeaf({ ...leafDefaults(commonName, pki, 3600), publicKey: key.publicKey });
	return { key: exportSigningKey(key), chain, bundle: pki.bundle };
}

test('another certificate that somebody publishes supersedes the one before', async (t) => {
	const directory = tmpfsDirectory(t);
	const [first, second] = [await newIdentity(), await newIdentity()];
	publish(directory, first);
	// The kernel's notice is in the hand of the test; the compiled agent gets it in the story of reloads.
	let rename = (): void => undefined;
	let isEnded = false;
	const publications = watchPublications(directory, silentLogger, (_directory, onRename) => {
		rename = onRename;
		return () => void (isEnded = true);
	});
	const { identity, superseded } = publications.current();
	t.is(identity!.leaf.serial, serialOf(first.chain));
	rename();
	t.false(superseded.aborted);
	publish(directory, second);
	rename();
	t.true(superseded.aborted);
	t.is(publications.current().identity!.leaf.serial, serialOf(second.chain));
	t.false(publications.current().superseded.aborted);
	publications.close();
	t.true(isEnded);
});

test('who publishes may say so, and the same again is nothing new', async (t) => {
	const directory = tmpfsDirectory(t);
	const identity = await newIdentity();
	publish(directory, identity);
	const publications = watchPublications(directory, silentLogger);
	t.teardown(() => publications.close());
	const { superseded } = publications.current();
	publish(directory, identity);
	publications.look();
	t.false(superseded.aborted);
	publish(directory, { ...identity, bundle: Buffer.concat([pki.bundle, (await successorOf(pki)).bundle]) });
	publications.look();
	t.true(superseded.aborted, 'another trust bundle is');
});

test('without a notice, and without a directory, nothing happens by itself', (t) => {
	const logged: string[] = [];
	const publications = watchPublications('/nonexistent/birthmark', { info: (message) => void logged.push(message) }, () => {
		throw new Error('the kernel has no such notice');
	});
	publications.look();
	t.is(publications.current().identity, undefined);
	t.deepEqual(logged, ['what other processes publish here is noticed late']);
	publications.close();
});
