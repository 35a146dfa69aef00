/**
 * Exit codes of the agent, in the manner of sysexits.h. Once the application runs, its own code is
 * passed on; an application that a signal ended becomes 128 + the signal's number, as in a shell.
 */

import { constants } from 'node:os';
import type { ErrorCode } from '#common/protocol/errors.ts';

export const ExitCode = {
	ok: 0,
	/** of `health` alone: engines know no other */
	unhealthy: 1,
	/** the command line was not understood */
	usage: 64,
	/** there is no identity to work with, or it has expired */
	noIdentity: 66,
	/** the CA could not be reached within the deadline; starting again may help */
	unavailable: 69,
	/** something unexpected, a bug */
	internal: 70,
	/** the clock of this machine or of the CA is wrong */
	clock: 71,
	/** what answered is not the CA that the token names, or answered nonsense */
	protocol: 76,
	/** the CA refused: token, name, revocation */
	refused: 77,
	/** the identity directory or its configuration cannot be used */
	config: 78,
	/** the application exists but is not executable */
	notExecutable: 126,
	/** the application was not found */
	notFound: 127,
} as const;

const BY_ERROR: Partial<Record<ErrorCode, number>> = {
	'usage': ExitCode.usage,
	'identity-missing': ExitCode.noIdentity,
	'identity-expired': ExitCode.noIdentity,
	'ca-unavailable': ExitCode.unavailable,
	'source-shut-out': ExitCode.unavailable,
	'upstream-unavailable': ExitCode.unavailable,
	'upstream-refused': ExitCode.unavailable,
	'internal': ExitCode.internal,
	'clock-skew': ExitCode.clock,
	'ca-protocol': ExitCode.protocol,
	'bundle-digest-mismatch': ExitCode.protocol,
	'certificate-invalid': ExitCode.protocol,
	'directory-not-tmpfs': ExitCode.config,
	'directory-full': ExitCode.config,
	'directory-unusable': ExitCode.config,
	'token-missing': ExitCode.config,
	'config-invalid': ExitCode.config,
};

/** The exit code for a failure. Codes that are not listed came from the CA: it refused. */
export function exitCodeFor(code: ErrorCode): number {
	return BY_ERROR[code] ?? ExitCode.refused;
}

/** 128 + the number of the signal. */
export function exitCodeForSignal(signal: NodeJS.Signals): number {
	return 128 + constants.signals[signal];
}
