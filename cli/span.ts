/** Spans of time on the command line. */

import { InvalidArgumentError } from 'commander';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86400 } as const;

/** `90`, `90s`, `30m`, `2h` or `7d` in seconds; for commander, which turns the error into its usage message. */
export function parseSeconds(text: string): number {
	const match = /^(\d{1,9})([smhd]?)$/.exec(text);
	if (!match) throw new InvalidArgumentError('write a span as 90s, 30m, 2h or 7d.');
	return Number(match[1]) * SECONDS[(match[2] || 's') as keyof typeof SECONDS];
}
