/** Calls of old versions of the API that undo what was judged before (21, 22 in docs/threat-model.md). */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { EngineCall } from './engine-call.ts';

const FIRST_SAFE_VERSION = [1, 24] as const;

/** @throws BirthmarkError `identity-isolated` for a version below 1.24; no version means the engine's newest */
export function refuseOldVersion({ apiVersion }: EngineCall, what: string): void {
	if (!apiVersion) return;
	const [major, minor] = apiVersion;
	if (major > FIRST_SAFE_VERSION[0] || (major === FIRST_SAFE_VERSION[0] && minor >= FIRST_SAFE_VERSION[1])) return;
	throw new BirthmarkError(
		'identity-isolated',
		`API version ${major}.${minor} is too old to ${what} safely; use ${FIRST_SAFE_VERSION.join('.')} or newer`,
	);
}

/** `POST /containers/X/copy`, which newer versions do not have (22). */
export function checkOldCopy(_: unknown, call: EngineCall): void {
	refuseOldVersion(call, 'copy files');
}
