/** The walls between the folders (docs/architecture.md): who may import whom, and which library belongs to whom. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DEPLOYABLES = ['plugin', 'hook', 'agent', 'ca', 'cli', 'client', 'demo'];
const SOURCES = [...DEPLOYABLES, 'common'].flatMap((folder) => sources(join(ROOT, folder)));

/** Which folders (or files) may import a package from npm; everything else may not. */
const OWNERS: Record<string, readonly string[]> = {
	'koa': ['ca/http/'],
	'@koa/router': ['ca/http/'],
	'jose': ['ca/', 'cli/'],
	'pg': ['ca/store/'],
	'prom-client': ['ca/'],
	'@cedar-policy/cedar-wasm/web': ['common/policy/'],
	'zod': ['common/runtime/config.ts', 'ca/', 'plugin/config.ts', 'cli/'],
	'commander': ['cli/'],
	'dockerode': ['hook/docker.ts', 'cli/docker.ts'],
	'testcontainers': ['hook/testcontainers.ts'],
	'birthmark/client': ['demo/'],
	'node:ffi': ['plugin/volume/mount-calls.ts'],
	'node:sqlite': ['ca/store/', 'plugin/records', 'common/runtime/lock.ts'],
};

/** The CA flows one way. */
const CA_LAYERS = ['http', 'registration', 'issuance', 'store'];

interface Import {
	readonly file: string;
	/** a path from the project's root, or a package's name */
	readonly target: string;
	readonly typeOnly: boolean;
}

const IMPORTS: readonly Import[] = SOURCES.flatMap(imports);

test('there is something to look at', (t) => {
	t.true(SOURCES.length > 50);
	t.true(IMPORTS.length > 100);
});

test('deployables never import each other', (t) => {
	t.deepEqual(
		violations(({ file, target }) => {
			const from = file.split('/')[0]!;
			const to = target.split('/')[0]!;
			return DEPLOYABLES.includes(from) && DEPLOYABLES.includes(to) && isPath(target) && from !== to;
		}),
		[],
	);
});

test('no deployable imports scripts or tests, and common imports no deployable', (t) => {
	t.deepEqual(violations(({ file, target }) => isPath(target) && !target.startsWith('common/') && target.split('/')[0] !== file.split('/')[0]), []);
});

test('common/protocol imports nothing, the rest of common only protocol', (t) => {
	t.deepEqual(violations(({ file, target }) => file.startsWith('common/protocol/') && !target.startsWith('common/protocol/') && !target.startsWith('node:')), []);
	for (const folder of ['common/x509/', 'common/runtime/', 'common/policy/']) {
		t.deepEqual(violations(({ file, target }) => file.startsWith(folder) && isPath(target) && !target.startsWith(folder) && !target.startsWith('common/protocol/')), []);
	}
});

test('each library has one owner', (t) => {
	const foreign = violations(({ file, target }) => {
		const owners = OWNERS[target];
		if (owners) return !owners.some((owner) => file.startsWith(owner));
		return !isPath(target) && !target.startsWith('node:');
	});
	t.deepEqual(foreign, []);
});

test('agent and client carry no library, not even by way of common', (t) => {
	for (const entry of ['agent/main.ts', 'client/main.ts']) {
		const seen = new Set<string>();
		const reach = (file: string): string[] => {
			if (seen.has(file)) return [];
			seen.add(file);
			return IMPORTS.filter((item) => item.file === file && !item.typeOnly).flatMap(({ target }) => (isPath(target) ? reach(target) : target.startsWith('node:') || target.startsWith('bun:') ? [] : [`${file} → ${target}`]));
		};
		t.deepEqual(reach(entry), []);
		t.true(seen.size > 10);
	}
});

test('the CA flows one way: http, registration, issuance, store', (t) => {
	const layer = (path: string): number => CA_LAYERS.indexOf(path.startsWith('ca/') ? path.split('/')[1]! : '');
	t.deepEqual(violations(({ file, target }) => layer(file) >= 0 && layer(target) >= 0 && layer(target) < layer(file)), []);
});

test('no file is loose in common, and none is very long', (t) => {
	t.deepEqual(SOURCES.filter((file) => file.startsWith('common/') && file.split('/').length !== 3), []);
	t.deepEqual(SOURCES.filter((file) => readFileSync(join(ROOT, file), 'utf8').split('\n').length > 350), []);
});

test('the version is the same everywhere', async (t) => {
	const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
	const { VERSION } = await import('#common/protocol/version.ts');
	t.is(VERSION, version);
	t.regex(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), new RegExp(`## \\[?(Unreleased|${version})`));
});

function violations(isViolation: (item: Import) => boolean): string[] {
	return IMPORTS.filter(isViolation).map(({ file, target }) => `${file} → ${target}`);
}

function isPath(target: string): boolean {
	return target.endsWith('.ts');
}

function sources(directory: string): string[] {
	return readdirSync(directory).flatMap((name) => {
		const path = join(directory, name);
		if (statSync(path).isDirectory()) return sources(path);
		return name.endsWith('.ts') ? [relative(ROOT, path)] : [];
	});
}

function imports(file: string): Import[] {
	const text = readFileSync(join(ROOT, file), 'utf8');
	const found = [...text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm), ...text.matchAll(/\bimport\(\s*()'([^']+)'\s*\)/g)];
	return found.map((match) => ({ file, target: resolve(file, match[2]!), typeOnly: Boolean(match[1]) }));
}

function resolve(file: string, specifier: string): string {
	if (specifier.startsWith('#common/')) return specifier.slice(1);
	if (specifier.startsWith('.')) return normalize(join(file, '..', specifier));
	return specifier;
}
