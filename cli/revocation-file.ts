/**
 * What `birthmark revoke --file` reads: one selector per line, a serial number alone or a kind and a
 * value. Empty lines are skipped, and what follows `#`.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';

export interface Selector {
	readonly by: 'serial' | 'container' | 'cn' | 'node';
	readonly value: string;
}

const KINDS: readonly string[] = ['serial', 'container', 'cn', 'node'];
/** Ours have 32 digits; those of an external CA as many as it likes, and RFC 5280 §4.1.2.2 allows up to 40. */
const SERIAL = /^[0-9A-Fa-f]{16,40}$/;
const MAX_FAULTS = 10;

/** @throws BirthmarkError `usage` with every line at fault, or when there is nothing to revoke */
export function parseRevocationFile(text: string): Selector[] {
	const faults: string[] = [];
	const selectors = text.split('\n').flatMap((line, index): Selector[] => {
		const words = line.replace(/#.*/, '').trim().split(/\s+/).filter(Boolean);
		const [first, second] = words;
		if (first === undefined) return [];
		if (words.length === 1 && SERIAL.test(first)) return [{ by: 'serial', value: first }];
		if (words.length === 2 && KINDS.includes(first)) return [{ by: first as Selector['by'], value: second! }];
		faults.push(`line ${index + 1} (${quote(line.trim())})`);
		return [];
	});
	if (faults.length > 0) {
		const said = faults.slice(0, MAX_FAULTS).join(', ');
		throw new BirthmarkError('usage', `${said}: a line is a serial number, or one of ${KINDS.join(', ')} and a value; nothing was revoked`);
	}
	if (selectors.length === 0) throw new BirthmarkError('usage', 'the list is empty: nothing was revoked');
	return selectors;
}
