/** PEM as RFC 7468 writes it: one label, 64 columns, no headers, nothing around it. */

const LINE = /.{1,64}/g;

/** @returns the text with a newline at its end */
export function encodePem(label: string, der: Uint8Array): string {
	const lines = Buffer.from(der).toString('base64').match(LINE) ?? [];
	return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/**
 * Every block of that label in the text, in order. Strict: the text holds such blocks and white
 * space, nothing else.
 *
 * @returns undefined when the text is anything else, or holds no block
 */
export function decodePem(label: string, text: string): Buffer[] | undefined {
	// One class for everything between the lines: two that overlap would make the match quadratic.
	const block = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----\\s*`, 'y');
	const blocks: Buffer[] = [];
	const trimmed = text.trimStart();
	while (block.lastIndex < trimmed.length) {
		const match = block.exec(trimmed);
		if (!match) return undefined;
		const base64 = match[1]!.replace(/\s+/g, '');
		const der = Buffer.from(base64, 'base64');
		if (der.length === 0 || der.toString('base64') !== base64) return undefined;
		blocks.push(der);
	}
	return blocks.length > 0 ? blocks : undefined;
}
