/**
 * What no plugin can mend: engines, kernels and surroundings in which less is kept than the
 * documentation promises. Each is a limit of docs/threat-model.md with a finding of `birthmark doctor`.
 */

import { warning, type Finding } from './diagnosis.ts';

/** What the engine says of itself and its host. */
export interface EngineFacts {
	/** `28.5.2+dfsg4` */
	readonly version: string;
	/** the newest API that it speaks, `1.51` */
	readonly apiVersion: string;
	/** of the host, `6.1.0-18-amd64` */
	readonly kernelVersion: string;
	/** as in `docker info`, `Debian GNU/Linux 12 (bookworm)` */
	readonly operatingSystem: string;
	/** `name=seccomp,profile=builtin` */
	readonly securityOptions: readonly string[];
	/** which bodies of requests the engine was seen not to show the plugin; undefined when it was not tried */
	readonly hiddenBodies: readonly HiddenBody[] | undefined;
}

/** `chunked`: without a Content-Length (CVE-2024-41110); `large`: of 1 MiB and more (CVE-2026-34040) */
export type HiddenBody = 'chunked' | 'large';

/** The oldest and the newest API of the engines that the project's tests run on: 20.10 and 28.5. */
const TESTED_API = { oldest: '1.41', newest: '1.51' };
/** From this version on the engine serves BuildKit's gRPC before it asks any plugin. */
const GRPC_FIRST = '29.2';
/** Has the tmpfs option `noswap`. */
const NOSWAP_KERNEL = '6.4';

interface Limit {
	readonly check: string;
	holds(facts: EngineFacts): boolean;
	detail(facts: EngineFacts): string;
	readonly remedy: string;
}

const LIMITS: readonly Limit[] = [
	{
		check: 'engine: gRPC',
		holds: ({ version }) => !isBefore(version, GRPC_FIRST),
		detail: ({ version }) => `Docker ${version} serves BuildKit's gRPC without asking any plugin`,
		remedy: 'let nobody reach the engine\'s socket whom you would not trust with builds that see the host',
	},
	{
		check: 'engine: chunked',
		holds: ({ hiddenBodies }) => hiddenBodies?.includes('chunked') === true,
		detail: ({ version }) => `Docker ${version} hides bodies without a Content-Length from the plugin (CVE-2024-41110)`,
		remedy: 'update the engine: 23.0.15, 25.0.6, 26.1.5, 27.1.1 or Debian\'s 20.10.24+dfsg1-1+deb12u1 and later; creating with such a body is refused, calls that are not judged by their body pass',
	},
	{
		check: 'engine: large',
		holds: ({ hiddenBodies }) => hiddenBodies?.includes('large') === true,
		detail: ({ version }) => `Docker ${version} hides bodies of 1 MiB and more from the plugin (CVE-2026-34040)`,
		remedy: 'update the engine: 25.0.16, 29.3.1, Debian\'s 26.1.5+dfsg1-9+deb13u1 or 28.5.2+dfsg4-2 and later; creating with such a body is refused, calls that are not judged by their body pass',
	},
	{
		check: 'engine: old',
		holds: ({ apiVersion }) => isBefore(apiVersion, TESTED_API.oldest),
		detail: ({ version, apiVersion }) => `Docker ${version} (API ${apiVersion}) is older than any engine that Birthmark is tested on`,
		remedy: 'update the engine to 20.10 or later',
	},
	{
		check: 'engine: new',
		holds: ({ apiVersion }) => isBefore(TESTED_API.newest, apiVersion),
		detail: ({ version, apiVersion }) => `Docker ${version} (API ${apiVersion}) is newer than any engine that Birthmark is tested on`,
		remedy: 'calls that are new in it are not judged: look for a newer plugin',
	},
	{
		check: 'rootless',
		holds: ({ securityOptions }) => hasOption(securityOptions, 'rootless'),
		detail: () => 'the engine is rootless, on which Birthmark is not tested: mounts of the plugin may not reach containers, and tmpfs may go to the swap',
		remedy: 'use an engine that runs as root',
	},
	{
		check: 'Docker Desktop',
		holds: ({ operatingSystem }) => operatingSystem.startsWith('Docker Desktop'),
		detail: () => 'the engine is in the virtual machine of Docker Desktop, on which Birthmark is not tested',
		remedy: 'use it to try things; whoever may use Docker Desktop rules that machine',
	},
	{
		check: 'SELinux',
		holds: ({ securityOptions }) => hasOption(securityOptions, 'selinux'),
		detail: () => 'the engine labels for SELinux, on which Birthmark is not tested: containers may be kept from their own identity',
		remedy: 'try a labelled container: when it cannot read /run/birthmark, the policy of SELinux has to let containers use a tmpfs of the engine\'s plugins',
	},
	{
		check: 'swap',
		holds: ({ kernelVersion }) => isBefore(kernelVersion, NOSWAP_KERNEL),
		detail: ({ kernelVersion }) => `Linux ${kernelVersion} cannot keep a tmpfs out of the swap: keys may reach it`,
		remedy: 'turn the swap off or encrypt it, or use Linux 6.4 or later',
	},
];

/** @returns a warning for each limit that holds here, none for most engines */
export function engineLimits(facts: EngineFacts): Finding[] {
	return LIMITS.filter((limit) => limit.holds(facts)).map((limit) => warning(limit.check, limit.detail(facts), limit.remedy));
}

const hasOption = (options: readonly string[], name: string): boolean => options.some((option) => option === `name=${name}` || option.startsWith(`name=${name},`));

/** Compares major and minor version. What cannot be read is not before anything: it may be anything newer. */
function isBefore(version: string, limit: string): boolean {
	const [major, minor] = numbers(version);
	const [limitMajor, limitMinor] = numbers(limit);
	return major < limitMajor || (major === limitMajor && minor < limitMinor);
}

function numbers(version: string): [number, number] {
	const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
	return major === undefined ? [Infinity, Infinity] : [Number(major), Number(minor)];
}
