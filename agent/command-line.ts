/** The agent's command line: `birthmark-agent COMMAND [options] [-- application arguments…]`. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import type { Ids } from './confine.ts';

export const COMMANDS = ['exec', 'once', 'keep', 'renew', 'status', 'health', 'version', 'help'] as const;
export type CommandName = (typeof COMMANDS)[number];

export interface CommandLine {
	readonly command: CommandName;
	/** where the identity lives; a tmpfs, which `keep` makes the root of its file system */
	readonly directory: string;
	/** how long to try to reach the CA before giving up */
	readonly timeoutSeconds: number;
	readonly json: boolean;
	/** a token that lies elsewhere than on the volume */
	readonly tokenFile?: string;
	/** a CA that is reached over the network, without the plugin's relay; several URLs are separated by commas */
	readonly caUrl?: string;
	/** for `keep`: whose container it is */
	readonly user?: Ids;
	/** for `exec`: the application and its arguments, never empty */
	readonly application: readonly string[];
}

export const HELP = `Gives this container its X.509 identity.

  birthmark-agent exec [options] -- APPLICATION [ARGUMENTS…]
      enrol, run the application, renew the identity for as long as it lives
  birthmark-agent once [options]      enrol and exit
  birthmark-agent keep --as UID:GID   as the plugin runs it for a container without an agent: enrol, renew
      the identity in the working directory until standard input or the plugin ends
  birthmark-agent renew [options]     renew the identity now
  birthmark-agent status [--json]     show the identity
  birthmark-agent health              for a HEALTHCHECK: exit code 0 while the identity is good and renewed in
      time, otherwise 1; says why in one line
  birthmark-agent version | help

  --dir DIRECTORY      where the identity lives, a tmpfs (BIRTHMARK_DIR, default ${IDENTITY_DIRECTORY})
  --timeout SECONDS    how long to try to reach the CA (default 30)
  --token-file FILE    take the token from here (default DIRECTORY/token)
  --ca-url URL[,URL…]  reach the CA at these https URLs, in their order (default: what the plugin set up)

The trust bundle is compared with the CA's every BIRTHMARK_BUNDLE_CHECK_SECONDS (default 600, from 1 to 86400).
Log lines go to standard error, from the level in BIRTHMARK_LOG up (debug, info, warn, error; default warn).
Exit codes: 64 usage, 66 no identity, 69 CA unavailable, 70 internal, 71 clock, 76 not the expected CA,
77 refused by the CA, 78 directory or configuration, 126 not executable, 127 not found,
128+n ended by signal n; otherwise the application's own.
`;

const DEFAULT_TIMEOUT_SECONDS = 30;
const MAX_TIMEOUT_SECONDS = 3600;
const DEFAULT_BUNDLE_CHECK_SECONDS = 600;
const VALUE_OPTIONS = ['--dir', '--timeout', '--token-file', '--ca-url', '--as'] as const;
type ValueOption = (typeof VALUE_OPTIONS)[number];

/**
 * @param args without the interpreter and the program
 * @param environment only BIRTHMARK_DIR is read
 * @throws BirthmarkError `usage`
 */
export function parseCommandLine(args: readonly string[], environment: Readonly<Record<string, string | undefined>>): CommandLine {
	const [first = 'help', ...rest] = args;
	const command = first === '--help' || first === '-h' ? 'help' : first === '--version' ? 'version' : COMMANDS.find((name) => name === first);
	if (command === undefined) throw usage(`there is no command ${JSON.stringify(first)}`);

	const separator = rest.indexOf('--');
	const options = separator === -1 ? rest : rest.slice(0, separator);
	const application = separator === -1 ? [] : rest.slice(separator + 1);
	if (command === 'exec' && !application[0]) throw usage('exec needs an application: birthmark-agent exec -- APPLICATION [ARGUMENTS…]');
	if (command !== 'exec' && separator !== -1) throw usage(`${command} takes no application`);

	const values = new Map<ValueOption, string>();
	let json = false;
	for (let index = 0; index < options.length; index++) {
		const text = options[index]!;
		const [name, inline] = text.includes('=') ? [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)] : [text, undefined];
		const option = VALUE_OPTIONS.find((known) => known === name);
		if (option !== undefined) {
			const value = inline ?? options[++index];
			if (value === undefined || value === '') throw usage(`${option} needs a value`);
			if ((option === '--as') !== (command === 'keep') && option !== '--timeout') throw usage(`${command} does not take ${option}`);
			if (values.has(option)) throw usage(`${option} is given twice`);
			values.set(option, value);
		} else if (text === '--json' && command === 'status') {
			json = true;
		} else {
			throw usage(`${command} does not take ${JSON.stringify(text)}${command === 'exec' ? '; put -- before the application' : ''}`);
		}
	}
	const tokenFile = values.get('--token-file');
	const caUrl = values.get('--ca-url');
	const user = command === 'keep' ? ids(values.get('--as')) : undefined;
	return {
		command,
		directory: user ? '/' : values.get('--dir') ?? (environment['BIRTHMARK_DIR'] || IDENTITY_DIRECTORY),
		timeoutSeconds: timeout(values.get('--timeout')),
		json,
		application,
		...(tokenFile === undefined ? {} : { tokenFile }),
		...(caUrl === undefined ? {} : { caUrl }),
		...(user === undefined ? {} : { user }),
	};
}

/**
 * From `BIRTHMARK_BUNDLE_CHECK_SECONDS`: the longest time between two looks at the CA's trust bundle. An
 * illegal value is no reason to keep an application from starting.
 */
export function bundleCheckSeconds({ BIRTHMARK_BUNDLE_CHECK_SECONDS: text = '' }: Readonly<Record<string, string | undefined>>): number {
	const seconds = /^\d{1,5}$/.test(text) ? Number(text) : 0;
	return seconds >= 1 && seconds <= 86_400 ? seconds : DEFAULT_BUNDLE_CHECK_SECONDS;
}

function ids(text = ''): Ids {
	const match = /^(\d{1,10}):(\d{1,10})$/.exec(text);
	if (!match) throw usage('keep needs --as UID:GID');
	return { uid: Number(match[1]), gid: Number(match[2]) };
}

function timeout(text: string | undefined): number {
	if (text === undefined) return DEFAULT_TIMEOUT_SECONDS;
	const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0;
	if (seconds < 1 || seconds > MAX_TIMEOUT_SECONDS) throw usage(`--timeout takes whole seconds from 1 to ${MAX_TIMEOUT_SECONDS}`);
	return seconds;
}

function usage(message: string): BirthmarkError {
	return new BirthmarkError('usage', `${message}; see birthmark-agent help`);
}
