/**
 * What `birthmark-runtime` and the plugin say to each other (hook/runtime/question.c is the other
 * side): one question on each connection, a line of words and lengths and as many bytes; one answer,
 * a word, a length and as many bytes.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';

/** Of each of the two files, as the runtime bounds them. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MAX_PATH_BYTES = 4096;
const MAX_HEAD_BYTES = 512;
const ID = '([0-9a-f]{64})';
const BIRTH = new RegExp(`^birthmark-runtime 1 (create|run|restore) ${ID} ([0-9]{1,8}) ([0-9]{1,8}) ([0-9]{1,8})$`);
const END = new RegExp(`^birthmark-runtime 1 ended ${ID} ([0-9a-f]{32})$`);

/** A container is about to be made. */
export interface BirthQuestion {
	readonly verb: 'create' | 'run' | 'restore';
	readonly containerId: string;
	/** path of birthmark-runtime on the host */
	readonly executable: string;
	/** what the engine has written of the container: config.v2.json */
	readonly state: Buffer;
	/** config.json of the bundle (OCI runtime specification) */
	readonly config: Buffer;
}

/** A start is over. */
export interface EndQuestion {
	readonly verb: 'ended';
	readonly containerId: string;
	readonly startId: string;
}

export type Question = BirthQuestion | EndQuestion;

export type Answer = { readonly verdict: 'unchanged' } | { readonly verdict: 'config'; readonly config: string } | { readonly verdict: 'refused'; readonly sentence: string };

export function encodeAnswer(answer: Answer): Buffer {
	const body = Buffer.from(answer.verdict === 'config' ? answer.config : answer.verdict === 'refused' ? answer.sentence : '');
	return Buffer.concat([Buffer.from(`${answer.verdict} ${body.length}\n`), body]);
}

/** Reads the question of one connection. */
export class QuestionReader {
	#parts: Buffer[] = [];
	#size = 0;
	#needed = 0;

	/**
	 * @returns the question that these bytes complete; undefined when more have to come
	 * @throws BirthmarkError `request-malformed`, `request-too-large`
	 */
	push(bytes: Buffer): Question | undefined {
		this.#parts.push(bytes);
		this.#size += bytes.length;
		if (this.#size < this.#needed) return undefined;
		const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
		this.#parts = [all];
		const end = all.indexOf('\n');
		if ((end < 0 ? all.length : end) > MAX_HEAD_BYTES) throw malformed('its first line is too long');
		if (end < 0) return undefined;
		const head = all.toString('latin1', 0, end);
		const rest = all.subarray(end + 1);
		const [, endedId, startId] = END.exec(head) ?? [];
		if (endedId !== undefined && startId !== undefined) {
			if (rest.length > 0) throw malformed('it goes on after its end');
			return { verb: 'ended', containerId: endedId, startId };
		}
		const [, verb, containerId, ...lengths] = BIRTH.exec(head) ?? [];
		if (verb === undefined || containerId === undefined) throw malformed('its first line is none of this version');
		const [path, state, config] = lengths.map(Number) as [number, number, number];
		if (path > MAX_PATH_BYTES || state > MAX_FILE_BYTES || config > MAX_FILE_BYTES) throw new BirthmarkError('request-too-large');
		this.#needed = end + 1 + path + state + config;
		if (all.length > this.#needed) throw malformed('it goes on after its end');
		if (all.length < this.#needed) return undefined;
		return {
			verb: verb as BirthQuestion['verb'],
			containerId,
			executable: rest.toString('utf8', 0, path),
			state: rest.subarray(path, path + state),
			config: rest.subarray(path + state),
		};
	}
}

function malformed(why: string): BirthmarkError {
	return new BirthmarkError('request-malformed', `what the runtime asked could not be understood: ${why}; run birthmark engine setup again`);
}
