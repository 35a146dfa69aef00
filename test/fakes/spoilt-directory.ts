/**
 * Publishes twice into a tmpfs that is spoilt in between, in a mount namespace of its own, and prints what
 * happened the second time: `<code of the error, or published> <whether the identity before is whole>
 * <generations>`, then the sentence.
 *
 *     unshare --map-root-user --mount node spoilt-directory.ts DIRECTORY IDENTITY.json HOW
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '#common/protocol/errors.ts';
import { publish } from '../../agent/store.ts';

const [directory = '', file = '', how = ''] = process.argv.slice(2);
const read = JSON.parse(readFileSync(file, 'utf8')) as { key: string; chain: string; bundle: string };
const identity = { ...read, bundle: Buffer.from(read.bundle) };
const mount = (...args: readonly string[]) => execFileSync('mount', args);

const WAYS: Readonly<Record<string, () => void>> = {
	// Pages of 4 KiB: the first generation took four of sixteen, two are left for the second.
	'no bytes': () => writeFileSync(join(directory, 'filler'), Buffer.alloc(10 * 4096)),
	'no inodes': () => {
		for (let count = 0; ; count++) {
			try {
				writeFileSync(join(directory, `filler${count}`), '');
			} catch {
				return;
			}
		}
	},
	'read-only': () => mount('-o', 'remount,ro', directory),
	'no /proc': () => mount('-t', 'tmpfs', 'tmpfs', '/proc'),
};

mount('-t', 'tmpfs', '-o', 'size=64k,nr_inodes=40', 'tmpfs', directory);
publish(directory, identity);
WAYS[how]!();
let sentence = '';
let outcome = 'published';
try {
	publish(directory, identity);
} catch (error) {
	outcome = errorCode(error);
	sentence = (error as Error).message;
}
const whole = readFileSync(join(directory, 'identity.pem'), 'utf8') === identity.key + identity.chain;
console.log(outcome, whole, readdirSync(directory).filter((name) => name.startsWith('.')).join());
console.log(sentence);
