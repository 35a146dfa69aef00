import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { noticeRenames } from '../../../agent/rename-notice.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

/** The kernel is in the hand of the test: it has been asked so often, and tells once for each time. */
function watched(t: ExecutionContext) {
	let asked = 0;
	const told = new EventTarget();
	let looks = 0;
	const native = { noticeRename: () => void asked++ };
	const end = noticeRenames(tmpfsDirectory(t), () => {
		looks++;
		told.dispatchEvent(new Event('look'));
	}, native)!;
	return { end, asked: () => asked, looks: () => looks, look: () => once(told, 'look') };
}
const signal = (): void => void process.emit('SIGIO');

test.serial('many renames are one look, and the kernel is asked again before it', async (t) => {
	const { end, asked, looks, look } = watched(t);
	t.teardown(end);
	t.is(asked(), 1);
	for (let round = 1; round <= 3; round++) {
		const looked = look();
		for (let time = 0; time < 100; time++) signal();
		await looked;
		t.is(looks(), round);
		t.is(asked(), round + 1);
	}
});

test.serial('nothing is looked at any more when it has ended, and the signal ends nobody', (t) => {
	const { end, looks } = watched(t);
	signal();
	end();
	signal();
	t.is(looks(), 0);
	t.true(process.listenerCount('SIGIO') > 0);
});

test.serial('a kernel that tells of no rename any more ends nobody', async (t) => {
	let asked = 0;
	const native = {
		noticeRename: () => {
			if (++asked > 1) throw new Error('Invalid argument');
		},
	};
	await new Promise<void>((looked) => {
		t.teardown(noticeRenames(tmpfsDirectory(t), looked, native)!);
		signal();
	});
	t.is(asked, 2);
});

test.serial('a directory that is not there is an error, and the signal is nothing then', (t) => {
	let looked = 0;
	t.throws(() => noticeRenames('/nonexistent', () => looked++, { noticeRename: () => undefined }));
	signal();
	t.is(looked, 0);
});
