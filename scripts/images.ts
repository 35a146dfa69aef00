/** The images, built without a registry. An image is built again only when what goes into it changed. */

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BUNDLES, CEDAR_CODE } from './bundle.ts';
import { engineEnvironment } from './engines.ts';
import { BUILD, PROJECT } from './paths.ts';
import { linkOrCopy, nodeExecutable, rootFsVersion } from './root-fs.ts';
import type { RunOptions, RunResult, Steps } from './steps.ts';

export type Docker = (args: readonly string[], options?: RunOptions) => Promise<RunResult>;

/** The docker command line against one engine. */
export function dockerCommand(steps: Steps, host: string): Docker {
	return (args, options = {}) => steps.run('docker', args, { ...options, env: { ...engineEnvironment(), DOCKER_HOST: host, DOCKER_BUILDKIT: '0', DOCKER_CLI_HINTS: 'false', DOCKER_CONFIG: join(BUILD, 'docker-config'), ...options.env } });
}

interface Image {
	readonly files: readonly string[];
	readonly directories?: readonly string[];
	/** as `birthmark` in it */
	readonly tree?: string;
	readonly node: boolean;
}

/** Those that begin with `birthmark/base`. */
const IMAGES = {
	ca: { files: [BUNDLES.ca.output, BUNDLES.birthmark.output, CEDAR_CODE], directories: ['state'], node: true },
	demo: { files: [BUNDLES.service.output], node: true },
	agent: { files: [], tree: join(BUILD, 'agent-image'), node: false },
} as const satisfies Readonly<Record<string, Image>>;

export type OwnImage = keyof typeof IMAGES;
const NAMES = Object.keys(IMAGES) as OwnImage[];

/**
 * @param names those that are needed; all when absent
 * @returns how many images were built, of how many
 */
export async function buildImages(steps: Steps, docker: Docker, baseRootFs: string, names: readonly OwnImage[] = NAMES): Promise<{ built: number; of: number }> {
	const baseId = baseIdOf(baseRootFs);
	let built = 0;
	if (!(await imageExists(docker, `birthmark/base:${baseId}`))) {
		await withContext(async (context) => {
			const archive = join(context, 'base.tar');
			await steps.run('tar', ['--create', '--file', archive, '--directory', baseRootFs, '--owner=0', '--group=0', '.']);
			await docker(['import', archive, `birthmark/base:${baseId}`]);
		});
		await docker(['tag', `birthmark/base:${baseId}`, 'birthmark/base:latest']);
		built++;
	}
	for (const name of names) {
		const { context, id } = layOutContext(name, baseId);
		const tag = `birthmark/${name}:${id}`;
		if (!(await imageExists(docker, tag))) {
			await docker(['build', '--quiet', '--tag', tag, '--file', dockerfileOf(name), context]);
			built++;
		}
		await docker(['tag', tag, `birthmark/${name}:latest`]);
	}
	return { built, of: names.length + 1 };
}

/** What goes into each image, in `build/context`: engines that are set up side by side find it there. */
export function layOutContexts(baseRootFs: string): void {
	for (const name of NAMES) layOutContext(name, baseIdOf(baseRootFs));
}

/** @returns the folder, made anew unless it is there, and an id that changes with its content */
function layOutContext(name: OwnImage, baseId: string): { context: string; id: string } {
	const { files, directories = [], tree, node }: Image = IMAGES[name];
	const id = contentId([baseId, readFileSync(dockerfileOf(name)), tree === undefined ? '' : readFileSync(join(BUILD, 'agent.stamp')), ...files.map((file) => readFileSync(file))]);
	const context = join(BUILD, 'context', name);
	const stamp = `${context}.id`;
	if (existsSync(stamp) && readFileSync(stamp, 'utf8') === id) return { context, id };
	rmSync(stamp, { force: true });
	rmSync(context, { recursive: true, force: true });
	mkdirSync(context, { recursive: true });
	for (const directory of directories) mkdirSync(join(context, directory));
	for (const file of files) cpSync(file, join(context, basename(file)));
	if (node) linkOrCopy(nodeExecutable(), join(context, 'node'));
	if (tree !== undefined) cpSync(tree, join(context, 'birthmark'), { recursive: true });
	writeFileSync(stamp, id);
	return { context, id };
}

const dockerfileOf = (name: OwnImage): string => join(PROJECT, name, 'Dockerfile');

const baseIdOf = (rootFs: string): string => contentId(['base', rootFsVersion(rootFs), nodeVersion(), process.arch]);

/** A folder of its own for what goes into an image, removed afterwards: others may be building theirs. */
export async function withContext<T>(use: (context: string) => Promise<T>): Promise<T> {
	mkdirSync(join(BUILD, 'context'), { recursive: true });
	const context = mkdtempSync(join(BUILD, 'context/'));
	try {
		return await use(context);
	} finally {
		rmSync(context, { recursive: true, force: true });
	}
}

/** Twelve hexadecimal digits that change when one of the parts does. */
export function contentId(parts: ReadonlyArray<string | Uint8Array>): string {
	const hash = createHash('sha256');
	for (const part of parts) hash.update(createHash('sha256').update(part).digest());
	return hash.digest('hex').slice(0, 12);
}

export function nodeVersion(): string {
	return (JSON.parse(readFileSync(join(PROJECT, 'node_modules/node/package.json'), 'utf8')) as { version: string }).version;
}

async function imageExists(docker: Docker, tag: string): Promise<boolean> {
	return (await docker(['image', 'inspect', '--format', '{{.Id}}', tag], { mayFail: true })).code === 0;
}
