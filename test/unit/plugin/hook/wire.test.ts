import test from 'ava';
import { encodeAnswer, QuestionReader, type Question } from '../../../../plugin/hook/wire.ts';

const ID = 'a1'.repeat(32);
const START = '0f'.repeat(16);
const BIRTH = Buffer.from(`birthmark-runtime 1 create ${ID} 5 2 3\n/r/bm{}{ }`);

function read(bytes: Buffer, step: number): Question | undefined {
	const reader = new QuestionReader();
	let question: Question | undefined;
	for (let at = 0; at < bytes.length; at += step) question = reader.push(bytes.subarray(at, at + step));
	return question;
}

test('a question is the same in whatever pieces it comes', (t) => {
	for (const step of [1, 2, 7, 64, 10_000]) {
		t.like(read(BIRTH, step), { verb: 'create', containerId: ID, executable: '/r/bm', state: Buffer.from('{}'), config: Buffer.from('{ }') });
	}
	t.deepEqual(read(Buffer.from(`birthmark-runtime 1 ended ${ID} ${START}\n`), 3), { verb: 'ended', containerId: ID, startId: START });
});

test('what is not complete is no question yet', (t) => {
	t.is(read(BIRTH.subarray(0, -1), 1000), undefined);
	t.is(read(Buffer.from('birthmark-runtime 1 cre'), 1000), undefined);
});

const REFUSED: Record<string, string> = {
	'another version': `birthmark-runtime 2 create ${ID} 0 0 0\n`,
	'another word': `birthmark-runtime 1 delete ${ID} 0 0 0\n`,
	'an id in capitals': `birthmark-runtime 1 create ${ID.toUpperCase()} 0 0 0\n`,
	'a path for an id': `birthmark-runtime 1 create ../../etc 0 0 0\n`,
	'a negative length': `birthmark-runtime 1 create ${ID} 0 0 -1\n`,
	'bytes after its end': `birthmark-runtime 1 create ${ID} 0 0 0\nx`,
	'bytes after an end': `birthmark-runtime 1 ended ${ID} ${START}\nx`,
	'a short start id': `birthmark-runtime 1 ended ${ID} 0f\n`,
	'a line without end': 'x'.repeat(1000),
};

for (const [what, text] of Object.entries(REFUSED)) {
	test(`refused: ${what}`, (t) => {
		t.like(t.throws(() => new QuestionReader().push(Buffer.from(text))), { code: 'request-malformed' });
	});
}

test('a file that is too long is refused before it has come', (t) => {
	t.like(t.throws(() => new QuestionReader().push(Buffer.from(`birthmark-runtime 1 create ${ID} 5 2 99999999\n`))), { code: 'request-too-large' });
});

test('an answer says how long it is in bytes', (t) => {
	t.is(encodeAnswer({ verdict: 'unchanged' }).toString(), 'unchanged 0\n');
	t.is(encodeAnswer({ verdict: 'config', config: '{"ä":1}' }).toString(), 'config 8\n{"ä":1}');
	t.is(encodeAnswer({ verdict: 'refused', sentence: 'birthmark: no [internal]' }).toString(), 'refused 24\nbirthmark: no [internal]');
});
