/** Small images that the integration stories run: what containers of all kinds look like to the agent. */

import { chmodSync, copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackExactly, unpackMissing } from './packages.ts';
import { TOOLS } from './paths.ts';
import { withContext, type Docker } from './images.ts';
import type { Steps } from './steps.ts';
import { buildTestPrograms, MUSL_LOADER } from './test-programs.ts';

/** Each image's Dockerfile; `/probe` in all of them is test/support/probe.c. */
const IMAGES = {
	/** one static program with a shell in it */
	busybox: 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nCOPY static /probe\nCMD ["/bin/sh"]\n',
	/** nothing but static programs */
	scratch: 'FROM scratch\nCOPY busybox /busybox\nCOPY static /probe\nENTRYPOINT ["/busybox"]\nCMD ["sleep", "600"]\n',
	/** a C library that is not glibc */
	musl: `FROM test/busybox\nCOPY musl-loader ${MUSL_LOADER}\nCOPY musl /probe\n`,
	/** glibc and no shell, with a user of its own */
	distroless: 'FROM birthmark/base\nCOPY glibc /probe\n',
	/** glibc and a shell that is linked with it */
	glibc: 'FROM test/distroless\nCOPY busybox-glibc /bin/sh\n',
} as const;
export type TestImage = keyof typeof IMAGES;
const NAMES = Object.keys(IMAGES) as TestImage[];

/** What goes into the images, by the name that it has there; fetched and compiled once. */
export async function makeTestFiles(steps: Steps): Promise<Readonly<Record<string, string>>> {
	await unpackMissing(steps, ['busybox-static'], TOOLS);
	// Beside the static one, which has the same name.
	const dynamic = join(TOOLS, 'busybox-glibc');
	if (!existsSync(dynamic)) await unpackExactly(steps, ['busybox'], dynamic);
	const programs = await buildTestPrograms(steps);
	return { 'busybox': join(TOOLS, 'bin/busybox'), 'busybox-glibc': join(dynamic, 'bin/busybox'), 'static': programs.static, 'musl': programs.musl, 'musl-loader': programs.muslLoader, 'glibc': programs.glibc };
}

/** @param images which; those with glibc begin with `birthmark/base`, which has to be there */
export async function buildTestImages(steps: Steps, docker: Docker, images: readonly TestImage[] = NAMES): Promise<void> {
	const files = await makeTestFiles(steps);
	await withContext(async (context) => {
		for (const [name, file] of Object.entries(files)) {
			copyFileSync(file, join(context, name));
			chmodSync(join(context, name), 0o755);
		}
		for (const name of images) {
			writeFileSync(join(context, `Dockerfile.${name}`), IMAGES[name]);
			await docker(['build', '--quiet', '--tag', `test/${name}`, '--file', join(context, `Dockerfile.${name}`), context]);
		}
	});
}
