/**
 * `make client`: the libraries as an npm package, `birthmark/client` and `birthmark/testcontainers`, as
 * JavaScript with declarations; Node runs no TypeScript below node_modules.
 */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { BUILD, PROJECT } from './paths.ts';
import { runMain, Steps } from './steps.ts';

/** What may be imported from the package, by the file that it is made of. */
const ENTRIES = { './client': 'client/main', './testcontainers': 'hook/testcontainers' };
const FOLDERS = ['client', 'hook', 'common'];
const TSCONFIG = {
	extends: join(PROJECT, 'tsconfig.json'),
	compilerOptions: { noEmit: false, allowImportingTsExtensions: false, declaration: true, target: 'es2023', typeRoots: [join(PROJECT, 'node_modules/@types')] },
	include: [],
	files: Object.values(ENTRIES).map((entry) => `${entry}.ts`),
};

/** @returns the folder of the package, ready for `npm pack` */
export async function buildClient(steps: Steps, folder = join(BUILD, 'client')): Promise<string> {
	rmSync(folder, { recursive: true, force: true });
	mkdirSync(BUILD, { recursive: true });
	// Below the project, where the types of testcontainers are found.
	const source = mkdtempSync(join(BUILD, 'client-source-'));
	for (const name of FOLDERS) copySources(source, name);
	writeFileSync(join(source, 'tsconfig.json'), JSON.stringify({ ...TSCONFIG, compilerOptions: { ...TSCONFIG.compilerOptions, rootDir: source, outDir: folder } }));
	try {
		await steps.run(join(PROJECT, 'node_modules/.bin/tsc'), ['--project', source]);
	} finally {
		rmSync(source, { recursive: true });
	}
	writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest(), undefined, 2) + '\n');
	cpSync(join(PROJECT, 'docs/client.md'), join(folder, 'README.md'));
	cpSync(join(PROJECT, 'LICENSE'), join(folder, 'LICENSE'));
	return folder;
}

/** Sources that import each other by relative paths to what will be there: tsc does not rewrite names of `imports`. */
function copySources(source: string, folder: string): void {
	for (const entry of readdirSync(join(PROJECT, folder), { recursive: true, withFileTypes: true })) {
		if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
		const path = relative(PROJECT, join(entry.parentPath, entry.name));
		const text = readFileSync(join(PROJECT, path), 'utf8');
		mkdirSync(join(source, dirname(path)), { recursive: true });
		writeFileSync(join(source, path), text.replace(/(\bfrom |\bimport\()'(#common|\.\.?)\/([^']+)\.ts'/g, (_, keyword: string, root: string, rest: string) => {
			const target = root === '#common' ? relative(dirname(path), join('common', rest)) : `${root}/${rest}`;
			return `${keyword}'${target.startsWith('.') ? target : `./${target}`}.js'`;
		}));
	}
}

function manifest(): object {
	const { version, description, license, dependencies, devDependencies } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string; description: string; license: string; dependencies: Record<string, string>; devDependencies: Record<string, string> };
	// undici and @grpc/grpc-js are passed in by whoever uses them, in whichever version that is.
	// testcontainers brings dockerode along, but where packages see only what they name it has to be named.
	const peers = ['testcontainers', 'dockerode'];
	return {
		name: 'birthmark',
		version,
		description,
		license,
		type: 'module',
		engines: { node: '>=22' },
		exports: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, { types: `./${file}.d.ts`, default: `./${file}.js` }])),
		peerDependencies: Object.fromEntries(peers.map((name) => [name, dependencies[name] ?? devDependencies[name]])),
		peerDependenciesMeta: Object.fromEntries(peers.map((name) => [name, { optional: true }])),
	};
}

if (import.meta.main) {
	const logFile = join(BUILD, 'logs/client.log');
	runMain(async () => {
		const steps = new Steps(logFile);
		await steps.step('Building the npm package', () => buildClient(steps), (folder) => relative(PROJECT, folder));
	}, () => logFile);
}
