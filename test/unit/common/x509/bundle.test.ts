import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { haveCommonRoot, requireBundle } from '#common/x509/bundle.ts';
import { createPki, issueLeaf, leafDefaults } from '../../../fakes/ca.ts';

const [one, other, third] = [await createPki(), await createPki(), await createPki()];
const both = Buffer.concat([one.bundle, other.bundle]);
const leaf = await issueLeaf({ ...leafDefaults('api01', one, 3600), publicKey: generateSigningKey().publicKey });

test('one root or two are a bundle', (t) => {
	t.notThrows(() => requireBundle(one.bundle));
	t.notThrows(() => requireBundle(both.toString()));
});

for (const [what, text] of [
	['nothing', ''],
	['a text', 'welcome'],
	['a leaf', leaf.slice(0, leaf.indexOf('-----BEGIN', 1))],
	['a leaf behind a root', one.bundle + leaf],
	['a root and something else', `${one.bundle}and more`],
	['a root cut off', one.bundle.toString().slice(0, -40)],
	['no certificate between the lines', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
	['too many', one.bundle.toString().repeat(9)],
] as const) {
	test(`${what} is no bundle`, (t) => {
		t.is(t.throws(() => requireBundle(text), { instanceOf: BirthmarkError }).code, 'ca-protocol');
	});
}

test('bundles of one CA have a root in common, before, during and after a change', (t) => {
	t.true(haveCommonRoot(one.bundle, both));
	t.true(haveCommonRoot(both, other.bundle.toString()));
	t.true(haveCommonRoot(one.bundle, `\n${one.bundle}`));
	t.false(haveCommonRoot(one.bundle, other.bundle));
	t.false(haveCommonRoot(both, third.bundle));
	t.false(haveCommonRoot('', ''));
});
