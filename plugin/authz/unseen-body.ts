/**
 * Bodies that the engine acts on and does not show. It shows JSON only, but takes parameters from forms
 * as well, and prefers those to the ones in the address (net/http, Request.ParseForm); of a repeated
 * Content-Type it obeys the first and shows the last (13, 14 in docs/threat-model.md).
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { EngineCall } from './engine-call.ts';

/** Go folds more than ASCII before it compares: to it `multİpart/form-data` is a form. These words have no letter that others fold into. */
const FORM = /urlencoded|form-data/i;

/**
 * For every call: no client of the engine sends forms.
 *
 * @throws BirthmarkError `engine-request-unseen`
 */
export function refuseForm(call: EngineCall): void {
	if (!FORM.test(contentType(call)) || isEmpty(call)) return;
	throw new BirthmarkError('engine-request-unseen', 'the parameters of this request are in a form, which the engine does not show; put them into the address, or send JSON');
}

/**
 * For calls that are judged by their address, or by having no body. Without a Content-Type there is no form.
 *
 * @param what the call, for the message: `start of a container`
 * @throws BirthmarkError `engine-request-unseen` when there may be a body that was not shown
 */
export function refuseUnseenBody(call: EngineCall, what: string): void {
	if (call.body || contentType(call) === '' || isEmpty(call)) return;
	throw new BirthmarkError('engine-request-unseen', `the engine did not show the body of this ${what}; send JSON with a Content-Length, or nothing`);
}

function contentType({ headers }: EngineCall): string {
	return headers['Content-Type'] ?? '';
}

/** A chunked body has no Content-Length that the engine would show; nor has a request without any body. */
function isEmpty({ headers }: EngineCall): boolean {
	return headers['Content-Length'] === '0';
}
