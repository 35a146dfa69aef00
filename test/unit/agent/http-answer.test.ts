import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { answerReader, type HttpAnswer } from '../../../agent/http-answer.ts';

const HEAD = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;

/** @param pieces bytes as they come */
function read(...pieces: readonly string[]): HttpAnswer | undefined {
	const reader = answerReader();
	return pieces.map((piece) => reader(Buffer.from(piece, 'latin1'))).at(-1);
}

test('an answer is complete with the last byte of the length that it says', (t) => {
	const text = `${HEAD}Date: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-LENGTH:  5 \r\n\r\nhello`;
	const answer = read(...text)!;
	t.is(answer.status, 200);
	t.is(answer.body.toString(), 'hello');
	t.is(answer.headers.get('date'), 'Sun, 06 Nov 1994 08:49:37 GMT');
	for (let length = 0; length < text.length; length++) t.is(read(text.slice(0, length)), undefined, text.slice(0, length));
});

test('an answer in chunks is complete with the last of them', (t) => {
	const text = `${CHUNKED}5\r\nhello\r\nA\r\n, containe\r\n1\r\nr\r\n0\r\n\r\n`;
	t.is(read(...text)!.body.toString(), 'hello, container');
	for (let length = 0; length < text.length; length++) t.is(read(text.slice(0, length)), undefined, text.slice(0, length));
	t.is(read(`${CHUNKED}0\r\n\r\n`)!.body.length, 0);
});

test('answers that have no body need no length', (t) => {
	for (const status of [204, 304]) t.like(read(`HTTP/1.1 ${status} \r\nETag: "x"\r\n\r\n`), { status, body: Buffer.alloc(0) });
	t.like(read('HTTP/1.1 304\r\nContent-Length: 7\r\n\r\n'), { status: 304 });
});

for (const [what, text, sentence] of [
	['something else than HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'no status line'],
	['HTTP/2', 'HTTP/2 200\r\nContent-Length: 0\r\n\r\n', 'no status line'],
	['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n', 'no status line'],
	['a reason with control characters', 'HTTP/1.1 200 \x1b[2J\r\nContent-Length: 0\r\n\r\n', 'no status line'],
	['another protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'it wants another protocol'],
	['an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n', 'it wants another protocol'],
	['no length', `${HEAD}\r\nhello`, 'no length'],
	['another coding', `${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 'no length'],
	['a chunk with an extension', `${CHUNKED}5;x=1\r\nhello\r\n0\r\n\r\n`, 'an illegal chunk'],
	['a chunk that is longer than it said', `${CHUNKED}4\r\nhello\r\n0\r\n\r\n`, 'an illegal chunk'],
	['a chunk of a length without end', `${CHUNKED}${'0'.repeat(20)}`, 'an illegal chunk'],
	['chunks with a trailer', `${CHUNKED}0\r\nX: y\r\n\r\n`, 'an illegal chunk'],
	['more after the last chunk', `${CHUNKED}0\r\n\r\nHTTP`, 'more than one answer'],
	['chunks that are too many', `${CHUNKED}10000\r\n${'a'.repeat(0x10000)}\r\n1\r\n`, 'larger than 64 KiB'],
	['chunks and a length', `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'no length'],
	['two lengths', `${HEAD}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, 'two lengths'],
	['two codings', `${HEAD}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'two lengths'],
	['a list of lengths', `${HEAD}Content-Length: 5, 5\r\n\r\nhello`, 'no length'],
	['a negative length', `${HEAD}Content-Length: -5\r\n\r\n`, 'no length'],
	['a length in another notation', `${HEAD}Content-Length: 0x5\r\n\r\nhello`, 'no length'],
	['more than it said', `${HEAD}Content-Length: 4\r\n\r\nhello`, 'more than one answer'],
	['a folded line', `${HEAD}Content-Length: 0\r\nX: a\r\n b\r\n\r\n`, 'an illegal header'],
	['a space before the colon', `${HEAD}Content-Length : 0\r\n\r\n`, 'an illegal header'],
	['a line without a colon', `${HEAD}Content-Length 0\r\n\r\n`, 'an illegal header'],
	['a line end within a line', `${HEAD}X: a\rb\r\nContent-Length: 0\r\n\r\n`, 'an illegal header'],
	['a header without end', `${HEAD}X: ${'a'.repeat(17 * 1024)}`, 'its header is too long'],
	['a header that ends too late', `${HEAD}X: ${'a'.repeat(17 * 1024)}\r\nContent-Length: 0\r\n\r\n`, 'its header is too long'],
	['a body that is too long', `${HEAD}Content-Length: 65537\r\n\r\n`, 'larger than 64 KiB'],
] as const) {
	test(`no answer is: ${what}`, (t) => {
		const error = t.throws(() => read(text), { instanceOf: BirthmarkError });
		t.is(error.code, 'ca-protocol');
		t.true(error.message.includes(sentence), error.message);
	});
}
