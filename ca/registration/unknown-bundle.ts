/** A token is for a trust bundle that this instance does not know. */

import { BirthmarkError } from '#common/protocol/errors.ts';

/** Nothing was decided but that; another instance may have published the bundle just now. */
export class UnknownBundleError extends BirthmarkError {
	constructor() {
		super('token-unknown', 'the token belongs to another CA, or to a trust bundle of this one that is not used any more');
		this.name = 'UnknownBundleError';
	}
}
