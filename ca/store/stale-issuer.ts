/** A certificate was made by an authority that, meanwhile, is not the active one any more. */

import { BirthmarkError } from '#common/protocol/errors.ts';

/** Nothing was stored, and the same request is good for a certificate of the present authority. */
export class StaleIssuerError extends BirthmarkError {
	constructor() {
		super('ca-unavailable', 'the CA has changed its issuer at this moment: try again');
		this.name = 'StaleIssuerError';
	}
}
