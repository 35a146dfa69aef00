/** Small images that the integration stories run: what containers of all kinds look like to the agent. */

import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackMissing } from './packages.ts';
import { BUILD, TOOLS } from './paths.ts';
import type { Docker } from './images.ts';
import type { Steps } from './steps.ts';

/** `test/busybox`: one static program with a shell in it; `test/scratch`: nothing but one static program. */
export async function buildTestImages(steps: Steps, docker: Docker): Promise<void> {
	await unpackMissing(steps, ['busybox-static'], TOOLS);
	const busybox = join(TOOLS, 'bin/busybox');
	const context = join(BUILD, 'context/test');
	rmSync(context, { recursive: true, force: true });
	mkdirSync(join(context, 'bin'), { recursive: true });
	copyFileSync(busybox, join(context, 'bin/busybox'));
	chmodSync(join(context, 'bin/busybox'), 0o755);
	writeFileSync(join(context, 'Dockerfile.busybox'), `FROM scratch\nCOPY bin/busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nCMD ["/bin/sh"]\n`);
	writeFileSync(join(context, 'Dockerfile.scratch'), `FROM scratch\nCOPY bin/busybox /busybox\nENTRYPOINT ["/busybox"]\nCMD ["sleep", "600"]\n`);
	for (const name of ['busybox', 'scratch']) await docker(['build', '--quiet', '--tag', `test/${name}`, '--file', join(context, `Dockerfile.${name}`), context]);
}
