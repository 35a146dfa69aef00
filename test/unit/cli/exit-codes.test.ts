/** Every error code has its exit code; docs/cli.md lists them. */

import test from 'ava';
import { readFileSync } from 'node:fs';
import { ERROR_CODES, type ErrorCode } from '#common/protocol/errors.ts';
import { ExitCode, exitCodeFor } from '../../../cli/exit-codes.ts';

const EXPECTED: Readonly<Partial<Record<ErrorCode, number>>> = {
	'usage': 2, 'config-invalid': 2, 'policy-invalid': 2,
	'ca-unavailable': 4, 'engine-unavailable': 4, 'source-shut-out': 4, 'upstream-unavailable': 4,
	'unauthenticated': 5, 'forbidden': 5, 'certificate-revoked': 5, 'policy-refused': 5,
	'not-found': 6, 'node-unknown': 6, 'user-unknown': 6, 'certificate-unknown': 6, 'authorization-unknown': 6, 'ca-missing': 6,
};

for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
	test(`${code} ends with ${EXPECTED[code] ?? 1}`, (t) => t.is(exitCodeFor(code), EXPECTED[code] ?? 1));
}

test('no failure ends with 0, nor with what doctor means', (t) => {
	for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) t.false(([ExitCode.ok, ExitCode.unhealthy] as number[]).includes(exitCodeFor(code)));
});

test('docs/cli.md lists the exit codes that there are', (t) => {
	const text = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8').split('## Exit codes')[1]!;
	t.deepEqual([...text.matchAll(/^\| (\d) \|/gm)].map(([, digit]) => Number(digit)), Object.values(ExitCode));
});
