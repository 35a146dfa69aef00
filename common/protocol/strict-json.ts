/**
 * JSON (RFC 8259) as a tree that keeps what JSON.parse throws away: every key in its order, the
 * repeated ones included (§4: what a reader makes of those is left open). The engine is written in Go,
 * whose decoder merges repeated keys and folds their case; a request may be judged only if both of us
 * read the same thing in it. What is for us alone is refused when it has a key twice.
 */

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** An object as it was written. */
export class JsonObject {
	readonly entries: readonly (readonly [key: string, value: JsonValue])[];

	constructor(entries: readonly (readonly [string, JsonValue])[]) {
		this.entries = entries;
	}
}

const MAX_DEPTH = 64;
const WHITESPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERALS: readonly (readonly [text: string, value: boolean | null])[] = [['true', true], ['false', false], ['null', null]];

/**
 * @param bytes UTF-8, exactly one JSON value
 * @throws SyntaxError for invalid UTF-8, anything but one JSON value, or nesting deeper than 64; it
 * repeats nothing of the text
 */
export function parseStrictJson(bytes: Uint8Array): JsonValue {
	let text: string;
	try {
		text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
	} catch (cause) {
		throw new SyntaxError('it is not valid UTF-8', { cause });
	}
	return new Parser(text).parse();
}

/**
 * @returns what JSON.parse returns for the same text
 * @throws SyntaxError as {@link parseStrictJson}, and for a key that an object has twice
 */
export function parseUniqueJson(bytes: Uint8Array): unknown {
	return plain(parseStrictJson(bytes));
}

function plain(value: JsonValue): unknown {
	if (Array.isArray(value)) return value.map(plain);
	if (!(value instanceof JsonObject)) return value;
	const keys = new Set(value.entries.map(([key]) => key));
	if (keys.size !== value.entries.length) throw new SyntaxError('a key is there more than once');
	return Object.fromEntries(value.entries.map(([key, inner]) => [key, plain(inner)]));
}

class Parser {
	readonly #text: string;
	#position = 0;

	constructor(text: string) {
		this.#text = text;
	}

	parse(): JsonValue {
		const value = this.#value(0);
		this.#match(WHITESPACE);
		if (this.#position !== this.#text.length) throw new SyntaxError('there is more after the end of the JSON value');
		return value;
	}

	#value(depth: number): JsonValue {
		if (depth > MAX_DEPTH) throw new SyntaxError(`it is nested deeper than ${MAX_DEPTH} levels`);
		this.#match(WHITESPACE);
		const first = this.#text[this.#position];
		if (first === '{') return this.#object(depth);
		if (first === '[') return this.#array(depth);
		if (first === '"') return this.#string();
		for (const [text, value] of LITERALS) {
			if (this.#text.startsWith(text, this.#position)) {
				this.#position += text.length;
				return value;
			}
		}
		const digits = this.#match(NUMBER);
		if (!digits) throw new SyntaxError(`there is no JSON value at character ${this.#position}`);
		return Number(digits);
	}

	#object(depth: number): JsonObject {
		const entries: [string, JsonValue][] = [];
		this.#list('}', () => {
			const key = this.#string();
			if (!this.#take(':')) throw new SyntaxError(`a ":" is missing at character ${this.#position}`);
			entries.push([key, this.#value(depth + 1)]);
		});
		return new JsonObject(entries);
	}

	#array(depth: number): JsonValue[] {
		const items: JsonValue[] = [];
		this.#list(']', () => items.push(this.#value(depth + 1)));
		return items;
	}

	/** From the opening bracket, which is the next character, to the closing one. */
	#list(close: string, item: () => void): void {
		this.#position++;
		if (this.#take(close)) return;
		do {
			item();
		} while (this.#take(','));
		if (!this.#take(close)) throw new SyntaxError(`a "${close}" is missing at character ${this.#position}`);
	}

	#string(): string {
		this.#match(WHITESPACE);
		const quoted = this.#match(STRING);
		if (!quoted) throw new SyntaxError(`there is no string at character ${this.#position}`);
		if (!quoted.includes('\\')) return quoted.slice(1, -1);
		const text = JSON.parse(quoted) as string;
		// Go puts U+FFFD for half of a surrogate pair.
		if (!text.isWellFormed()) throw new SyntaxError(`half of a surrogate pair stands before character ${this.#position}`);
		return text;
	}

	#take(character: string): boolean {
		this.#match(WHITESPACE);
		if (this.#text[this.#position] !== character) return false;
		this.#position++;
		return true;
	}

	#match(pattern: RegExp): string {
		pattern.lastIndex = this.#position;
		const found = pattern.exec(this.#text)?.[0] ?? '';
		this.#position += found.length;
		return found;
	}
}
