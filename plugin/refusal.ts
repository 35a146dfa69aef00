/** What the engine's user reads when the plugin refuses: one sentence, and the code in brackets. */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';

/** `birthmark: <sentence> [code]`; unexpected errors keep their detail for the log. */
export function refusalText(error: unknown): string {
	const sentence = error instanceof BirthmarkError ? error.message : 'something unexpected went wrong in the plugin; its log tells what';
	return `birthmark: ${oneLine(sentence)} [${errorCode(error)}]`;
}

/** The engine prints the text as it is: nothing that came in a request may break the line. */
function oneLine(text: string): string {
	return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
}
