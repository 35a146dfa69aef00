/**
 * Modules of the runtime that the agent loads when it needs them: each takes up to a millisecond, in every
 * container, before the application starts or instead of never.
 */

interface Modules {
	readonly 'node:crypto': typeof import('node:crypto');
	readonly 'node:net': typeof import('node:net');
	readonly 'node:stream': typeof import('node:stream');
	readonly 'node:tls': typeof import('node:tls');
}

export function lately<Name extends keyof Modules>(name: Name): Modules[Name] {
	return process.getBuiltinModule(name);
}
