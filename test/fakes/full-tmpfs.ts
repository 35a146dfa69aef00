/**
 * Publishes into a tmpfs that is full, in a mount namespace of its own, and prints what happened:
 * `<code of the error> <whether the identity before is whole> <what is in the directory>`.
 *
 *     unshare --map-root-user --mount node full-tmpfs.ts DIRECTORY IDENTITY.json
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '#common/protocol/errors.ts';
import { publish } from '../../agent/store.ts';

const [directory = '', file = ''] = process.argv.slice(2);
const read = JSON.parse(readFileSync(file, 'utf8')) as { key: string; chain: string; bundle: string };
const identity = { ...read, bundle: Buffer.from(read.bundle) };

execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
publish(directory, identity);
try {
	// Pages of 4 KiB: the first generation took four of sixteen, two are left for the second.
	writeFileSync(join(directory, 'filler'), Buffer.alloc(10 * 4096));
	publish(directory, identity);
	console.log('published');
} catch (error) {
	const whole = readFileSync(join(directory, 'identity.pem'), 'utf8') === identity.key + identity.chain;
	console.log(errorCode(error), whole, readdirSync(directory).filter((name) => name.startsWith('.')).join());
}
