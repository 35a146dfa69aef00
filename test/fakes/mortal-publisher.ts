/**
 * Publishes a second identity and is killed (SIGKILL) at the n-th thing that it asks of the file system, or
 * ends with 0 when there are fewer.
 *
 *     mortal-publisher.ts DIRECTORY IDENTITY.json N
 */

import fs, { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { publish } from '../../agent/store.ts';

const [directory = '', file = '', last = ''] = process.argv.slice(2);
const read = JSON.parse(readFileSync(file, 'utf8')) as { key: string; chain: string; bundle: string };

const CALLS = ['openSync', 'closeSync', 'writeFileSync', 'fchmodSync', 'fchownSync', 'fstatSync', 'mkdirSync', 'readFileSync', 'readdirSync', 'readlinkSync', 'renameSync', 'rmdirSync', 'symlinkSync', 'unlinkSync'] as const;
let count = 0;
const calls = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
for (const name of CALLS) {
	const original = calls[name]!;
	calls[name] = (...args) => {
		// Half a file is what a kill in the middle of a write leaves.
		if (++count === Number(last)) {
			if (name === 'writeFileSync') original(args[0], String(args[1]).slice(0, 100));
			process.kill(process.pid, 'SIGKILL');
		}
		return original(...args);
	};
}
syncBuiltinESMExports();

publish(directory, { ...read, bundle: Buffer.from(read.bundle) }, { formats: ['pkcs12', 'haproxy', 'der', 'nginx'], keyMode: 0o640 });
