/** The images, built without a registry. An image is built again only when what goes into it changed. */

import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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

/** @returns how many images were built, of how many */
export async function buildImages(steps: Steps, docker: Docker, baseRootFs: string): Promise<{ built: number; of: number }> {
	const baseId = contentId(['base', rootFsVersion(baseRootFs), nodeVersion(), process.arch]);
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
	const agentImage = join(BUILD, 'agent-image');
	const images = [
		{ name: 'ca', files: [BUNDLES.ca.output, BUNDLES.birthmark.output, CEDAR_CODE], directories: ['state'], node: true },
		{ name: 'demo', files: [BUNDLES.service.output], directories: [], node: true },
		{ name: 'agent', files: [], directories: [], node: false, tree: agentImage },
	];
	for (const image of images) {
		const dockerfile = join(PROJECT, image.name, 'Dockerfile');
		const stamp = image.tree ? readFileSync(join(BUILD, 'agent.stamp')) : '';
		const id = contentId([baseId, readFileSync(dockerfile), stamp, ...image.files.map((file) => readFileSync(file))]);
		const tag = `birthmark/${image.name}:${id}`;
		if (!(await imageExists(docker, tag))) {
			await withContext(async (context) => {
				for (const directory of image.directories) mkdirSync(join(context, directory));
				for (const file of image.files) cpSync(file, join(context, file.split('/').at(-1)!));
				if (image.node) linkOrCopy(nodeExecutable(), join(context, 'node'));
				if (image.tree) cpSync(image.tree, join(context, 'birthmark'), { recursive: true });
				await docker(['build', '--quiet', '--tag', tag, '--file', dockerfile, context]);
			});
			built++;
		}
		await docker(['tag', tag, `birthmark/${image.name}:latest`]);
	}
	return { built, of: images.length + 1 };
}

/** A folder for what goes into an image; others may be building theirs. On the disk of the build, where files can be linked. */
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
