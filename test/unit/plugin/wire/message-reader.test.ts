import test from 'ava';
import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { MAX_BODY_BYTES, MessageReader, type Message } from '../../../../plugin/wire/message-reader.ts';
import { mutated } from '../../../support/mutation.ts';
import { holds } from '../../../support/property.ts';

/** As Go's client writes it. */
function sent(route: string, body: string | Buffer): Buffer {
	const bytes = Buffer.from(body);
	const head = `POST ${route} HTTP/1.1\r\nHost: %2Frun%2Fbirthmark.sock\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: ${bytes.length}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\nAccept-Encoding: gzip\r\n\r\n`;
	return Buffer.concat([Buffer.from(head), bytes]);
}

function readable({ method, route, body }: Message) {
	return { method, route, body: body.toString() };
}

test('a call is read as the engine sends it, one after the other', (t) => {
	const reader = new MessageReader();
	for (const body of ['{"RequestMethod":"GET"}\n', '', 'ä'.repeat(50_000)]) {
		t.deepEqual(readable(reader.push(sent('/AuthZPlugin.AuthZReq', body))!), { method: 'POST', route: '/AuthZPlugin.AuthZReq', body });
	}
});

test('in whatever pieces a call arrives, it is the same call, and complete with its last byte only', (t) => {
	const pieces = fc.tuple(fc.string({ unit: 'binary', maxLength: 300 }), fc.array(fc.nat(600), { maxLength: 8 }));
	holds(t, 500, fc.property(pieces, ([body, cuts]) => {
		const bytes = sent('/VolumeDriver.Get', body);
		const places = [...new Set(cuts.filter((cut) => cut > 0 && cut < bytes.length))].sort((a, b) => a - b);
		const reader = new MessageReader();
		[...places, bytes.length].forEach((end, index) => {
			const message = reader.push(bytes.subarray(places[index - 1] ?? 0, end));
			if (end < bytes.length) equal(message, undefined);
			else deepEqual(message!.body, Buffer.from(body));
		});
	}));
});

const HEADS: readonly (readonly [what: string, head: string])[] = [
	['another version', 'POST /Plugin.Activate HTTP/1.0\r\n'],
	['no version', 'POST /Plugin.Activate\r\n'],
	['an absolute address', 'POST http://host/Plugin.Activate HTTP/1.1\r\n'],
	['two lengths', 'POST / HTTP/1.1\r\nContent-Length: 0\r\ncontent-length: 0\r\n'],
	['a list of lengths', 'POST / HTTP/1.1\r\nContent-Length: 0, 0\r\n'],
	['a negative length', 'POST / HTTP/1.1\r\nContent-Length: -1\r\n'],
	['a length with a sign', 'POST / HTTP/1.1\r\nContent-Length: +1\r\n'],
	['a hexadecimal length', 'POST / HTTP/1.1\r\nContent-Length: 0x1\r\n'],
	['no length after the name', 'POST / HTTP/1.1\r\nContent-Length:\r\n'],
	['chunks', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n'],
	['chunks and a length', 'POST / HTTP/1.1\r\nContent-Length: 0\r\nTRANSFER-ENCODING: identity\r\n'],
	['an expectation', 'POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n'],
	['a blank before the colon', 'POST / HTTP/1.1\r\nContent-Length : 0\r\n'],
	['a folded line', 'POST / HTTP/1.1\r\nX: 1\r\n Content-Length: 0\r\n'],
	['a line feed alone', 'POST / HTTP/1.1\r\nX: 1\nContent-Length: 0\r\n'],
	['a return alone', 'POST / HTTP/1.1\r\nX: 1\rContent-Length: 0\r\n'],
	['a zero byte', 'POST / HTTP/1.1\r\nX: \0\r\n'],
	['a line without a colon', 'POST / HTTP/1.1\r\nnothing\r\n'],
	['an empty first line', '\r\nPOST / HTTP/1.1\r\n'],
];

for (const [what, head] of HEADS) {
	test(`a call with ${what} is refused`, (t) => {
		const error = t.throws(() => new MessageReader().push(Buffer.from(head + '\r\n')), { instanceOf: BirthmarkError });
		t.is(error.code, 'request-malformed');
	});
}

test('whatever comes after a call before its answer is refused', (t) => {
	const once = sent('/Plugin.Activate', '{}');
	t.throws(() => new MessageReader().push(Buffer.concat([once, once])), { code: 'request-malformed' });
});

test('a head without an end and a body without a bound are refused before they are there', (t) => {
	const endless = new MessageReader();
	t.throws(() => {
		for (let i = 0; i < 1000; i++) t.is(endless.push(Buffer.from('X-Long: ' + 'a'.repeat(100) + '\r\n')), undefined);
	}, { code: 'request-malformed' });
	t.throws(() => new MessageReader().push(Buffer.from(`POST / HTTP/1.1\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`)), { code: 'request-too-large' });
	t.throws(() => new MessageReader().push(Buffer.from('POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n')), { code: 'request-malformed' });
	t.is(new MessageReader().push(Buffer.from(`POST / HTTP/1.1\r\nContent-Length: ${MAX_BODY_BYTES}\r\n\r\n`)), undefined);
});

test('bytes that were changed are a call, the beginning of one, or refused; never anything else', (t) => {
	holds(t, 2000, fc.property(mutated(sent('/AuthZPlugin.AuthZReq', '{"RequestMethod":"GET","RequestUri":"/"}')), (bytes) => {
		try {
			const message = new MessageReader().push(bytes);
			ok(message === undefined || bytes.subarray(bytes.length - message.body.length).equals(message.body));
		} catch (error) {
			ok(error instanceof BirthmarkError, String(error));
		}
	}));
});
