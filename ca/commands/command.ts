/** What a command of the CA's program is: its options, and what it does with them. */

import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { BirthmarkError } from '#common/protocol/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Values of the options by their names; absent ones are undefined. */
export type Values<Options extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<{ options: Options }>>['values'];

export interface Definition<Options extends ParseArgsOptionsConfig> {
	readonly name: string;
	/** its own options as the help shows them; `--state DIR` is every command's */
	readonly usage: string;
	/** one sentence */
	readonly summary: string;
	readonly options: Options;
	/** @returns the exit code, 0 when nothing is returned */
	run(state: string, values: Values<Options>, env: Environment): Promise<number | void>;
}

export interface Command extends Pick<Definition<ParseArgsOptionsConfig>, 'name' | 'usage' | 'summary'> {
	/**
	 * @param args what follows the command's name
	 * @throws BirthmarkError `usage`, and what the command itself refuses
	 */
	run(args: readonly string[], env: Environment): Promise<number | void>;
}

export function defineCommand<const Options extends ParseArgsOptionsConfig>({ name, usage, summary, options, run }: Definition<Options>): Command {
	return {
		name,
		usage,
		summary,
		async run(args, env) {
			const { state = env['BIRTHMARK_CA_STATE'], ...values } = parse(args, { ...options, state: { type: 'string' } }) as Values<Options> & { readonly state?: string };
			if (!state) throw new BirthmarkError('usage', 'the state folder is not given: use --state DIR or $BIRTHMARK_CA_STATE');
			return run(state, values as unknown as Values<Options>, env);
		},
	};
}

/** @throws BirthmarkError `usage` when an option without which the command makes no sense is missing */
export function required(value: string | undefined, option: string): string {
	if (value === undefined || value === '') throw new BirthmarkError('usage', `${option} is missing`);
	return value;
}

/** What a command has done: for programs, or for people. */
export function report(asJson: boolean | undefined, value: object, text: string): void {
	process.stdout.write((asJson ? JSON.stringify(value) : text) + '\n');
}

function parse(args: readonly string[], options: ParseArgsOptionsConfig): unknown {
	try {
		return parseArgs({ args: [...args], options, allowPositionals: false }).values;
	} catch (cause) {
		throw new BirthmarkError('usage', (cause as Error).message, { cause });
	}
}
