/** `birthmark completion`: tab completion, made from the commands themselves. */

import { Argument, type Command } from 'commander';
import type { Context } from '../context.ts';

export function addCompletion(program: Command, context: Context): void {
	program
		.command('completion')
		.description('print a completion script: source <(birthmark completion bash)')
		.addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
		.action((shell: 'bash' | 'zsh' | 'fish') => context.output.line(script(shell, program)));
}

/** `''` → the commands and global options, `node` → its subcommands, `node token` → its options. */
function words(program: Command): Map<string, string[]> {
	const found = new Map<string, string[]>();
	const visit = (command: Command, path: string): void => {
		const options = command.options.filter((option) => !option.hidden).map((option) => option.long ?? option.short ?? '');
		found.set(path, [...command.commands.map((inner) => inner.name()), ...options, '--help']);
		for (const inner of command.commands) visit(inner, `${path} ${inner.name()}`.trim());
	};
	visit(program, '');
	return found;
}

function script(shell: 'bash' | 'zsh' | 'fish', program: Command): string {
	const table = words(program);
	if (shell === 'fish') {
		const lines = [...table].map(([path, list]) => {
			return `complete -c birthmark -f -n '${fishCondition(path, [...table.keys()])}' -a '${list.join(' ')}'`;
		});
		return lines.join('\n');
	}
	const groups = [...table.keys()].filter((path) => [...table.keys()].some((other) => other !== path && other.startsWith(path === '' ? '' : `${path} `)));
	const cases = [...table].map(([path, list]) => `    '${path}') list='${list.join(' ')}' ;;`);
	const bash = [
		'_birthmark() {',
		'  local path="" list="" word before=""',
		'  COMPREPLY=()',
		'  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
		`    if [[ '|${[...table.keys()].join('|')}|' == *"|\${path:+$path }$word|"* ]]; then path="\${path:+$path }$word"`,
		// What else is no option may be the value of one, or an argument of a command that has no others below it.
		`    elif [[ $word != -* && $before != -* && '|${groups.join('|')}|' == *"|$path|"* ]]; then return`,
		'    fi',
		'    before=$word',
		'  done',
		'  case "$path" in',
		...cases,
		'  esac',
		'  COMPREPLY=($(compgen -W "$list" -- "${COMP_WORDS[COMP_CWORD]}"))',
		'}',
		'complete -F _birthmark birthmark',
	].join('\n');
	return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}

/** Fish sees which words were written, not where: `ca status` is both of them, `rotate` is not after `ca`, which has one too. */
function fishCondition(path: string, paths: readonly string[]): string {
	if (path === '') return '__fish_use_subcommand';
	const words = path.split(' ');
	const below = paths.filter((other) => other.startsWith(`${path} `)).map((other) => other.split(' ')[words.length]!);
	const parents = words.length > 1 ? [] : paths.filter((other) => other.split(' ').at(-1) === path && other !== path).map((other) => other.split(' ')[0]!);
	const others = [...new Set([...below, ...parents])];
	return [...words.map((word) => `__fish_seen_subcommand_from ${word}`), ...(others.length > 0 ? [`not __fish_seen_subcommand_from ${others.join(' ')}`] : [])].join('; and ');
}
