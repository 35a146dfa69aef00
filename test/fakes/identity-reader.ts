/**
 * A process that reads an identity file over and over, as fast as it can, and counts what it must
 * never see: a file that is missing, cut off, or holds a key that is not the certificate's. It answers
 * each message with what it saw so far, between two reads.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

const path = process.argv[2]!;
const faults: string[] = [];
/** contents that were checked already: the test rotates among a few identities */
const good = new Set<string>();
let reads = 0;
let asked = false;
let ended = false;

function readOnce(): void {
	try {
		const text = readFileSync(path, 'utf8');
		if (!good.has(text)) {
			if (!new X509Certificate(text).checkPrivateKey(createPrivateKey(text))) throw new Error('key and certificate do not belong together');
			good.add(text);
		}
	} catch (error) {
		faults.push(String(error));
	}
	reads++;
}

function readOn(): void {
	for (let count = 0; count < 50; count++) readOnce();
	if (asked) process.send!({ reads, different: good.size, faults: faults.slice(0, 5) });
	asked = false;
	if (!ended) setImmediate(readOn);
}

process.on('message', () => {
	asked = true;
});
process.on('disconnect', () => {
	ended = true;
});
readOnce();
process.send!('reading');
readOn();
