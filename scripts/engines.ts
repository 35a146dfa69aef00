/**
 * The engines to choose from by ENGINE: the distribution's own, and newer ones from other suites of
 * Debian, unpacked beside each other (docs/adr/0021). Whatever starts an engine here starts the chosen one.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasProgram, linkAlternatives, pointToLibraries, setLoader, toolEnvironment, unpackFromSuite, unpackMissing } from './packages.ts';
import { ENGINES, TOOLS } from './paths.ts';
import { StepError, type Steps } from './steps.ts';

interface Source {
	/** the first of these suites that has it */
	readonly suites: readonly string[];
	/** what Debian took out of the engine's package by then */
	readonly packages: readonly string[];
}

const SOURCES: Readonly<Record<string, Source>> = {
	'20.10': { suites: ['bookworm'], packages: ['tini'] },
	'26.1': { suites: ['trixie'], packages: ['docker-cli', 'tini'] },
	'28.5': { suites: ['forky', 'sid'], packages: ['docker-cli', 'tini-static'] },
};

/** With everything that they are linked against: their C library may be newer than the machine's. */
const PACKAGES = ['docker.io', 'containerd', 'runc', 'libc6', 'libsystemd0', 'libseccomp2', 'libcap2', 'libgcc-s1'];

/** Those of the programs that are linked against more than an old C library. */
const DYNAMIC = ['usr/sbin/dockerd', 'usr/sbin/runc'];

/** What `make test` looks at beside the distribution's own, unless that is one of them. */
export const newerEngines = (): readonly string[] => ['26.1', '28.5'].filter((name) => name !== ownVersion());

/** What ENGINE asks for, one or several; empty for the distribution's own. */
export function chosenEngines(): readonly string[] {
	return (process.env['ENGINE'] ?? '').split(/[\s,]+/).filter((name) => name !== '');
}

/** Unpacks what the distribution's own engine needs and the machine lacks, and the tools that every engine needs. */
export async function installTools(steps: Steps): Promise<void> {
	await unpackMissing(steps, ['docker.io', 'containerd', 'runc', 'iptables', 'iproute2', 'patchelf'], TOOLS, async () => {
		linkAlternatives(TOOLS);
		await pointToLibraries(steps, TOOLS, DYNAMIC);
	});
	// From Debian 13 on the command line is a package of its own.
	if (!hasProgram('docker', TOOLS)) await unpackMissing(steps, ['docker-cli'], TOOLS);
}

/**
 * Unpacks an engine unless it is there.
 *
 * @throws StepError when it is none that we know, or when no suite has it any more
 */
export async function installEngine(steps: Steps, name: string): Promise<void> {
	const source = SOURCES[name];
	if (source === undefined) throw new StepError(`ENGINE=${name} is no engine that is known here`, `choose one of ${Object.keys(SOURCES).join(', ')}, or leave it out for the distribution's own`);
	if (name === ownVersion()) return;
	const target = join(ENGINES, name);
	const marker = join(target, '.unpacked');
	// The programs find their loader by an absolute path: in a copy of this folder they would not.
	const packages = [...PACKAGES, ...source.packages];
	const content = [target, ...packages].join('\n');
	if (existsSync(marker) && readFileSync(marker, 'utf8') === content) return;
	const failures: string[] = [];
	for (const suite of source.suites) {
		rmSync(target, { recursive: true, force: true });
		mkdirSync(target, { recursive: true });
		const files = await unpackFromSuite(steps, suite, packages, target);
		if (files.some((file) => file.startsWith(`docker.io_${name}.`))) {
			await setLoader(steps, target, DYNAMIC);
			return writeFileSync(marker, content);
		}
		failures.push(`${suite} has ${files.find((file) => file.startsWith('docker.io_'))}`);
	}
	rmSync(target, { recursive: true, force: true });
	throw new StepError(`no suite of Debian has the engine ${name} any more: ${failures.join(', ')}`, 'take another ENGINE, and adapt scripts/engines.ts');
}

/** The environment for the chosen engine's programs, dockerd and docker, and for all other tools. */
export function engineEnvironment(): Record<string, string> {
	const tools = toolEnvironment(TOOLS);
	const [name] = chosenEngines();
	if (name === undefined || name === ownVersion()) return tools;
	const directory = join(ENGINES, name);
	return { ...tools, PATH: [join(directory, 'usr/sbin'), join(directory, 'usr/bin'), tools['PATH']].join(':') };
}

let own: string | undefined;

/** Of the distribution's own engine, `20.10`. */
function ownVersion(): string {
	own ??= execFileSync('dockerd', ['--version'], { encoding: 'utf8', env: { ...process.env, ...toolEnvironment(TOOLS) } }).match(/\d+\.\d+/)?.[0] ?? '';
	return own;
}
