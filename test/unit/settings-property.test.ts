/** Small grammars: addresses, trace headers, lists of what to revoke, trust bundles. What holds for every text. */

import test from 'ava';
import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { formatAuditHead, parseAuditHead } from '#common/protocol/audit-chain.ts';
import { hostAndPort, parseCaUrls } from '#common/protocol/ca-urls.ts';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { requireBundle } from '#common/x509/bundle.ts';
import { encodePem } from '#common/x509/pem.ts';
import { parseExternalAddress } from '../../ca/issuance/external-address.ts';
import { isChosenToken } from '../../ca/registration/chosen-token.ts';
import { formatTraceparent, parseTraceparent } from '../../ca/tracing/trace-context.ts';
import { parseRevocationFile } from '../../cli/revocation-file.ts';
import { mutated } from '../support/mutation.ts';
import { createPki, issueLeaf } from '../support/pki.ts';
import { holds } from '../support/property.ts';

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }));
const changed = (original: string) => mutated(Buffer.from(original)).map((bytes) => bytes.toString('latin1'));

/** The value, or undefined when it was refused with that code; whatever else is thrown is a fault. */
function attempt<T>(code: ErrorCode, work: () => T): T | undefined {
	try {
		return work();
	} catch (error) {
		ok(error instanceof BirthmarkError && error.code === code, String(error));
		return undefined;
	}
}

test('addresses of a CA are https, bare, each once, and stay what they are when they are read again', (t) => {
	holds(t, 2000, fc.property(fc.oneof(text, changed('https://ca1.example:33004,https://[::1]:1,https://10.0.0.1'), fc.array(fc.webUrl({ withFragments: true, withQueryParameters: true })).map(String)), (value) => {
		const urls = parseCaUrls(value);
		if (!urls) return;
		ok(urls.length >= 1 && urls.length <= 8 && new Set(urls).size === urls.length);
		deepEqual(parseCaUrls(urls.join(',')), urls);
		for (const url of urls) {
			const { host, port } = hostAndPort(url);
			ok(url.startsWith('https://') && host.length > 0 && port >= 0 && port <= 65_535);
		}
	}));
});

test('a trace header is understood as it is written, or begins a new trace', (t) => {
	const original = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
	holds(t, 2000, fc.property(fc.oneof(text, changed(original), fc.anything()), (value) => {
		const context = parseTraceparent(value);
		if (context && (value as string).startsWith('00-')) equal(formatTraceparent(context).slice(0, -2), (value as string).slice(0, -2));
		if (context) deepEqual(parseTraceparent(formatTraceparent(context)), context);
	}));
});

test('a head of the audit log has one spelling', (t) => {
	holds(t, 1000, fc.property(fc.oneof(text, changed(`12:${'a'.repeat(64)}`)), (value) => {
		const head = parseAuditHead(value);
		if (head) equal(formatAuditHead(head), value);
	}));
});

test('a list of what to revoke is read whole or refused whole', (t) => {
	const line = fc.oneof(fc.constantFrom('', '# note', `${'4'.repeat(32)}`, 'cn web01', 'node host1 # old', 'container abc'), fc.string());
	holds(t, 1500, fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom('\n', '\r\n'), (lines, end) => {
		const selectors = attempt('usage', () => parseRevocationFile(lines.join(end)));
		if (!selectors) return;
		ok(selectors.length >= 1 && selectors.length <= lines.join(end).split('\n').length);
		for (const { by, value } of selectors) ok(['serial', 'container', 'cn', 'node'].includes(by) && /^\S+$/.test(value) && !value.includes('#'));
	}));
});

test('the setting of an external CA is complete or refused', (t) => {
	const right = 'protocol=cfssl,url=https://a.example/sign,cacert=/a,cert=/b,key=/c,chain=/d';
	t.is(parseExternalAddress(right).urls.length, 1);
	const pairs = fc.shuffledSubarray([...right.split(','), 'url=https://b.example/', 'url=http://c.example/', 'uri=no', 'uri=maybe', 'x=y', 'cert=/e', ''], { minLength: 5 }).map((parts) => parts.join(','));
	holds(t, 2000, fc.property(fc.oneof(pairs, changed(right), text), (value) => {
		const address = attempt('config-invalid', () => parseExternalAddress(value));
		if (!address) return;
		for (const url of address.urls) equal(new URL(url).protocol, 'https:');
		for (const file of [address.caFile, address.certificateFile, address.keyFile, address.chainFile]) ok(file.length > 0);
	}));
});

test('a trust bundle is CA certificates and nothing else, however it was damaged', (t) => {
	const pki = createPki();
	const root = encodePem('CERTIFICATE', pki.root);
	requireBundle(root);
	requireBundle(root + encodePem('CERTIFICATE', createPki().root));
	const leaf = encodePem('CERTIFICATE', issueLeaf(pki).der);
	for (const [what, bundle] of Object.entries({ nothing: '', 'a leaf': leaf, 'a leaf beside a root': root + leaf, 'a word beside a root': `${root}word\n` })) t.is(attempt('ca-protocol', () => requireBundle(bundle) ?? true), undefined, what);
	holds(t, 500, fc.property(fc.oneof(mutated(Buffer.from(root + root)), text.map((value) => Buffer.from(value))), (value) => {
		attempt('ca-protocol', () => requireBundle(value));
	}));
});

test('a token that a node chose has the length and the variety of 128 random bits, and is none of the CA\'s own or a user\'s', (t) => {
	holds(t, 2000, fc.property(fc.oneof(text, fc.stringMatching(/^[A-Za-z0-9_.-]{20,140}$/), fc.stringMatching(/^(BMKTKN-1-)?[a-f0-9]{20,70}$/)), (value) => {
		if (!isChosenToken(value)) return;
		ok(value.length >= 22 && value.length <= 128 && !value.startsWith('BMK') && !value.includes('.'));
		ok(new Set(value).size >= 8);
	}));
	holds(t, 200, fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), (bytes) => {
		fc.pre(new Set(bytes).size > 12);
		const hex = Buffer.from(bytes).toString('hex');
		ok(hex.length < 32 || isChosenToken(hex) || new Set(hex).size < 8, hex);
	}));
});
