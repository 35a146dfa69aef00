/**
 * What Cedar is not shown at all: files that nobody wrote, and rules so deep or so long that reading them would take more stack than
 * its WebAssembly build has. It does not recover from that: every later decision of the process would fail.
 */

import { Buffer } from 'node:buffer';
import type { Fault } from './rules.ts';

/** The plugin reads the file whenever it has changed. */
export const MAX_POLICY_BYTES = 256 * 1024;

/** Measured with Cedar 4.13: brackets alone break it between 130 and 160 deep, operators alone between 200 and 400. */
const MAX_DEPTH = 32;
const MAX_OPERATORS = 128;

/** Texts and comments, which are passed over, and whatever makes a rule deeper or longer. */
const TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*"|\/\/[^\n]*|\|\||&&|[-+*!;]|\b(?:else|when|unless)\b|[([{]|[)\]}]/g;
const OPERATOR = /^(?:\|\||&&|[-+*!]|else|when|unless)$/;

/** @returns what is too much, the whole file or its first such rule; undefined when all may be read */
export function boundsFault(text: string): Pick<Fault, 'message'> & { readonly at: number } | undefined {
	if (Buffer.byteLength(text) > MAX_POLICY_BYTES) return { at: 0, message: `the file is larger than ${MAX_POLICY_BYTES / 1024} KiB; make it shorter` };
	let depth = 0;
	let operators = 0;
	for (const { 0: token, index: at } of text.matchAll(TOKEN)) {
		if (token === ';') depth = operators = 0;
		else if (OPERATOR.test(token)) operators++;
		else if (/^[([{]$/.test(token)) depth++;
		else if (/^[)\]}]$/.test(token)) depth--;
		if (depth > MAX_DEPTH) return { at, message: `brackets stand more than ${MAX_DEPTH} deep in each other; write the rule simpler` };
		if (operators > MAX_OPERATORS) return { at, message: `the rule has more than ${MAX_OPERATORS} operators; write ["a", "b", …].contains(…) in place of a long chain of ||, or several rules` };
	}
	return undefined;
}
