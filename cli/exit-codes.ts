/** Exit codes of the command, documented in docs/cli.md. */

import type { ErrorCode } from '#common/protocol/errors.ts';

export const ExitCode = {
	ok: 0,
	/** the command was understood and failed */
	failed: 1,
	/** the command line was not understood */
	usage: 2,
	/** something was looked at, and it is faulty: by doctor, by audit verify, a policy */
	unhealthy: 3,
	/** the CA or the engine could not be reached */
	unavailable: 4,
	/** this operator may not do that; policy test: the policy does not permit it */
	refused: 5,
	/** there is no such identity, node or CA; what was named matches nothing */
	notFound: 6,
} as const;

export function exitCodeFor(code: ErrorCode): number {
	switch (code) {
		case 'usage':
		case 'config-invalid':
		case 'policy-invalid':
			return ExitCode.usage;
		case 'ca-unavailable':
		case 'engine-unavailable':
		case 'source-shut-out':
		case 'upstream-unavailable':
			return ExitCode.unavailable;
		case 'policy-refused':
		case 'forbidden':
		case 'unauthenticated':
		case 'certificate-revoked':
			return ExitCode.refused;
		case 'not-found':
		case 'node-unknown':
		case 'user-unknown':
		case 'certificate-unknown':
		case 'authorization-unknown':
		case 'ca-missing':
			return ExitCode.notFound;
		default:
			return ExitCode.failed;
	}
}
