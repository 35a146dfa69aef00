import test from 'ava';
import { readFileSync } from 'node:fs';
import { repairVersionDefinitions, withoutRaisedLimit } from '../../../scripts/agent-runtime.ts';
import { StepError } from '../../../scripts/steps.ts';

test('the call that raises the limit of open files becomes one that asks for it, wherever it is named', (t) => {
	const runtime = Buffer.from('\x7fELF\0getrlimit\0setrlimit\0code setrlimit64\0text\0setrlimit\0');
	t.is(withoutRaisedLimit(Buffer.from(runtime)).toString(), '\x7fELF\0getrlimit\0getrlimit\0code setrlimit64\0text\0getrlimit\0');
});

test('a runtime that raises the limit in another way is not taken for one that does not', (t) => {
	t.throws(() => withoutRaisedLimit(Buffer.from('\x7fELF\0prlimit64\0')), { instanceOf: StepError });
});

test('what patchelf leaves of the versions that an executable defines is put right', (t) => {
	// Any library that defines versions will do, and this process has one.
	const path = readFileSync('/proc/self/maps', 'utf8').match(/\/\S+\/libc[-.]\S*$/m)![0];
	const library = readFileSync(path);
	const entry = library.indexOf(Buffer.from('fcffff6f00000000', 'hex'));
	const broken = Buffer.from(library);
	broken.writeBigUInt64LE(0x1234n, entry + 8);
	t.false(broken.equals(library));
	t.true(repairVersionDefinitions(broken).equals(library));
});
