/**
 * Most calls to the engine concern nothing of ours, and their first line says so: GET or HEAD of an
 * address that no rule is about. Those are answered without a JSON tree, without base64 and without
 * a turn of the event loop (docs/adr/0030). What does not look exactly like that is read whole.
 *
 * The engine's Go writes its fields in one order (moby, pkg/authorization/api.go, the same from
 * 17.03 to 29): User, UserAuthNMethod, RequestMethod, RequestUri, RequestBody, RequestHeaders, …
 * Which rule an address concerns is found as the authorizer finds it.
 */

import { splitUri, type MethodAndPath } from './engine-call.ts';
import { isWatched, ruleFor } from './rules.ts';

/** What is longer is read whole. */
const MAX_BYTES = 16 * 1024;
/** RFC 8259 §7, of ASCII. */
const CHARACTERS = String.raw`[ !#-\[\]-~]*`;
const STRING = String.raw`"${CHARACTERS}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})${CHARACTERS})*"`;
const START = String.raw`^\{(?:"User":${STRING},)?(?:"UserAuthNMethod":${STRING},)?"RequestMethod":"(GET|HEAD)","RequestUri":(?!"")(${STRING})`;
/** With these a call is nothing but its address: no form, no body of any kind, and no call of our own. */
const HEADER = String.raw`"(?:Accept|Accept-Encoding|Accept-Language|Connection|User-Agent)":${STRING}`;
const CERTIFICATES = String.raw`,"RequestPeerCertificates":\[${STRING}(?:,${STRING})*\]`;
/** A whole message. */
const REQUEST = new RegExp(String.raw`${START}(?:,"RequestHeaders":\{${HEADER}(?:,${HEADER})*\})?(?:${CERTIFICATES})?\}\n$`);
const RESPONSE = new RegExp(String.raw`${START}[,}]`);
/** Go's encoder ends the message with it and writes no other: where it is the last byte, nothing is missing. */
const LINE_FEED = 0x0a;

/** @param message AuthZReq as it came @returns true when the authorizer would let it pass, with no rule asked */
export function passesRequest(message: Buffer): boolean {
	if (message.length > MAX_BYTES) return false;
	const found = REQUEST.exec(message.toString('latin1'));
	return found !== null && !ruleFor(call(found));
}

/** @param message AuthZRes as it came @returns true when the authorizer would not look at it */
export function passesResponse(message: Buffer): boolean {
	const found = RESPONSE.exec(message.toString('latin1', 0, MAX_BYTES));
	return found !== null && message.at(-1) === LINE_FEED && !isWatched(call(found));
}

function call([, method = '', uri = '']: RegExpExecArray): MethodAndPath {
	// Go writes & as \u0026.
	const address = uri.includes('\\') ? (JSON.parse(uri) as string) : uri.slice(1, -1);
	return { method, path: splitUri(address).path };
}
